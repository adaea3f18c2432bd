import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type JobId, type JobRecord, jobIdFromKey, type Manifest, resolveJobSpec, type Segment, specDigest, zeroBalance } from '@millrace/protocol';

import type { Journal } from '../journal.ts';
import { startTestJournal, type TestJournal } from '../testing/index.ts';
import { bitAt } from './outcomes.ts';

const at = '2026-11-23T10:00:00.000Z';
const digest = 'ab'.repeat(32);
const spec = resolveJobSpec({ name: 'tidy', inputs: 'file:///in/*.csv', output: { uri: 'file:///out/' } });
let shared: TestJournal;
let jobs = 0;

before(async () => {
  shared = await startTestJournal();
});
after(async () => {
  await shared[Symbol.asyncDispose]();
});

async function acceptedJob(journal: Journal): Promise<JobId> {
  const jobId = jobIdFromKey('test', `reader-${jobs++}`);
  const head = { record: 'job', version: 1, jobId, tenant: 'default', name: 'tidy', idempotencyKey: null, acceptedAt: at, resultVersion: 1 } as const;
  const stages: JobRecord['stages'] = [
    { name: 'read', kind: 'map' },
    { name: 'sum', kind: 'reduce' },
  ];
  await journal.putJob({ ...head, specDigest: specDigest(spec), spec, stage: 'read', stages, lookups: [], inputs: [], inputFiles: 1, inputBytes: 100 });
  return jobId;
}

function segment(jobId: JobId, number: number, chunks: readonly number[], of: { stage?: string; generation?: number } = {}): Segment {
  const { stage = 'read', generation = 1 } = of;
  const counts = { records: 10, lines: 10, damages: 0, blankLines: 0, commentLines: 0 };
  const head = { record: 'segment', version: 1, jobId, generation, stage, segment: number, specDigest: digest, pinsDigest: digest } as const;
  const list = chunks.map(
    (chunk) => ({ chunk, kind: 'range', file: 0, start: chunk * 10, end: chunk * 10 + 10, record: chunk * 10 + 1, line: chunk * 10 + 1, ...counts }) as const,
  );
  return { ...head, firstChunk: chunks[0] ?? 0, files: [], ended: [], chunks: list };
}

const end = (jobId: JobId, segments: number, stage: string | null = null, generation = 1) =>
  ({ record: 'planEnd', version: 1, jobId, generation, stage, segments }) as const;

async function die(journal: Journal, jobId: JobId, chunk: number, generation = 1): Promise<void> {
  const place = { jobId, stage: 'read', chunk, generation };
  const head = { record: 'deadLetter', version: 1, ...place, deadLetterId: `${jobId}.read.${chunk}.${generation}` } as const;
  const why = { class: 'input', code: 'INPUT_CHANGED', message: 'm', fingerprint: 'fp1-0', diedAt: at, reason: 'r', range: null } as const;
  await journal.putDeadLetter({ ...head, ...why, attempts: [] });
  await journal.putVerdict({ record: 'verdict', version: 1, outcome: 'dead', ...place, deadLetter: 'd', code: 'INPUT_CHANGED' });
}

function manifest(jobId: JobId, chunks: Manifest['chunks'], generation = 1): Manifest {
  const sums = { balance: zeroBalance, byCode: {}, byColumn: {}, bytes: { in: 0, out: 0 }, files: [], parts: [], rejects: [], gaps: [] };
  const head = { record: 'manifest', version: 1, jobId, name: 'tidy', generation, state: 'failed', specDigest: digest, pinsDigest: null } as const;
  const times = { acceptedAt: at, endedAt: at, durationMs: 0 };
  return { ...head, resultVersion: 1, failure: null, ...times, outputUri: 'file:///out/', rejectsUri: 'file:///out/_rejects/', chunks, ...sums };
}

test('an index goes on where it stopped: later segments, the plan of a later stage behind the end of the first, a later generation', async () => {
  const { journal } = shared;
  const jobId = await acceptedJob(journal);
  const reader = journal.keptJobs();
  const look = async () => {
    const outline = await reader.outline(jobId);
    assert.ok(outline);
    return reader.plan(outline);
  };
  assert.deepEqual([(await look()).index.count, (await look()).isSealed], [0, false]);
  for (let number = 0; number < 20; number += 1) await journal.putSegment(segment(jobId, number, [number * 2, number * 2 + 1]));
  assert.equal((await look()).index.count, 40);
  await journal.putSegment(segment(jobId, 20, [40, 41]));
  await journal.putPlanEnd(end(jobId, 21));
  const maps = await look();
  assert.deepEqual([maps.index.count, maps.isSealed, maps.isPlanned('read'), maps.isPlanned('sum')], [42, false, true, false]);
  await journal.putSegment(segment(jobId, 21, [42], { stage: 'sum' }), 'sum');
  await journal.putPlanEnd(end(jobId, 22, 'sum'));
  const both = await look();
  assert.deepEqual([both.index.count, both.isSealed, both.index.at(42)?.stage], [43, true, 'sum']);

  const none = { resultVersion: null, spec: null, specDigest: null, reason: '', by: 'test', at } as const;
  await journal.appendCommand(jobId, () => ({ append: { jobId, command: 'redrive', generation: 1, opens: 2, select: ['read.3'], ...none } }));
  await journal.putSegment(segment(jobId, 0, [3], { generation: 2 }));
  const again = await look();
  assert.deepEqual([again.index.count, again.index.at(3)?.generation, again.index.at(4)?.generation, again.isSealed], [43, 2, 1, false]);
  assert.equal((await reader.chunk(again.index.at(3) ?? assert.fail())).chunk.chunk, 3);
});

test('outcomes by the journal: of a generation that left nothing open all that are not dead have committed, else only what has a verdict', async () => {
  const { journal } = shared;
  const jobId = await acceptedJob(journal);
  await journal.putSegment(segment(jobId, 0, [0, 1, 2, 3]));
  await journal.putPlanEnd(end(jobId, 1));
  await die(journal, jobId, 2);
  const reader = journal.keptJobs();
  const bits = async () => reader.outcomes((await reader.outline(jobId)) ?? assert.fail());
  const open = await bits();
  const shown = (set: Uint8Array) => [0, 1, 2, 3].filter((chunk) => bitAt(set, chunk));
  assert.deepEqual([shown(open.committed), shown(open.dead)], [[], [2]]);
  await journal.putManifest(manifest(jobId, { total: 4, committed: 3, dead: 1, open: 0 }));
  const ended = await bits();
  assert.deepEqual([shown(ended.committed), shown(ended.dead)], [[0, 1, 3], [2]]);

  const none = { resultVersion: null, spec: null, specDigest: null, reason: '', by: 'test', at } as const;
  await journal.appendCommand(jobId, () => ({ append: { jobId, command: 'redrive', generation: 1, opens: 2, select: ['read.2'], ...none } }));
  await journal.putSegment(segment(jobId, 0, [2], { generation: 2 }));
  const redriven = await bits();
  assert.deepEqual(shown(redriven.dead), [], 'the letter of generation 1 counts no more');
});

test('a job that is not there is null', async () => {
  const reader = shared.journal.keptJobs();
  assert.equal(await reader.outline(jobIdFromKey('test', 'nobody')), null);
});
