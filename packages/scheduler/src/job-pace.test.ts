import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobId } from '@millrace/protocol';
import { assumedBytesPerSecond, JobPace, overheadSeconds, type PacedJob } from './job-pace.ts';

const job = (committed: number, running: number, changes: Partial<PacedJob> = {}): PacedJob => ({
  jobId: 'j1' as JobId,
  name: 'orders',
  generation: 1,
  bytesPlanned: 100_000_000,
  chunks: { total: 100, pending: 0, queued: 0, running, retrying: 0, committed, dead: 0 },
  ...changes,
});

test('before anything was seen the pace is assumed', () => {
  const pace = new JobPace();
  assert.equal(pace.bytesPerSecond(job(0, 0)), assumedBytesPerSecond);
  assert.equal(pace.secondsPerChunk(job(0, 0)), overheadSeconds + 1_000_000 / assumedBytesPerSecond);
});

test('four slots that end a chunk every second each', () => {
  const pace = new JobPace();
  // Each chunk of 1 MB holds its slot for 4 s.
  for (let second = 0; second <= 60; second++) pace.note([job(second, 4)], second * 1_000);
  const seconds = pace.secondsPerChunk(job(60, 4));
  assert.ok(Math.abs(seconds - 4) < 0.3, String(seconds));
});

test('a job of the same name begins with what the one before it had', () => {
  const pace = new JobPace();
  for (let second = 0; second <= 60; second++) pace.note([job(second, 4)], second * 1_000);
  const known = pace.bytesPerSecond(job(0, 0, { jobId: 'j2' as JobId }));
  assert.ok(known < 300_000 && known > 200_000, String(known));
  pace.note([], 61_000);
  assert.equal(pace.bytesPerSecond(job(0, 0, { jobId: 'j2' as JobId })), known);
  assert.equal(pace.bytesPerSecond(job(0, 0, { jobId: 'j3' as JobId, name: 'other' })), assumedBytesPerSecond);
});

test('what an earlier generation committed did not take the slots of this one', () => {
  const pace = new JobPace();
  pace.note([job(0, 4)], 0);
  pace.note([job(90, 4, { generation: 2 })], 1_000);
  assert.equal(pace.bytesPerSecond(job(90, 4)), assumedBytesPerSecond);
});
