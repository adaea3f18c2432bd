import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chunkId } from '@millrace/protocol';
import type { Queues } from './index.ts';
import { coarser, type SeriesStep, sumOfSteps, waitAt } from './series.ts';
import { dispatchOne, failureOf, opening, openTestQueues, plannedJob, tenRows, testAttemptId, testLetter } from './testing/fixture.ts';
import { startTestRedis, type TestRedis } from './testing/redis.ts';

let redis: TestRedis;
let queues: Queues;
before(async () => {
  redis = await startTestRedis();
  queues = await openTestQueues(redis.url);
});
after(async () => {
  await queues.close();
  await redis.stop();
});

async function lastHour(tenants: readonly string[]): Promise<SeriesStep> {
  return sumOfSteps((await queues.series.read(tenants, 3_600_000)).steps);
}

describe('series', () => {
  test('count each thing once, at the change itself', async () => {
    const jobId = await plannedJob(queues, 'series', 4);
    const first = await dispatchOne(queues, jobId);
    const attempt = testAttemptId();
    await queues.ledger.openAttempt(opening(first.taskId, attempt));
    for (let told = 0; told < 2; told++) await queues.ledger.markCommitted(first.chunk.chunkId, 1, tenRows(2));
    const second = await dispatchOne(queues, jobId);
    const failing = testAttemptId();
    await queues.ledger.openAttempt(opening(second.taskId, failing));
    for (let told = 0; told < 2; told++) await queues.ledger.failAttempt(second.chunk.chunkId, 1, failing, failureOf('input'));
    for (let told = 0; told < 2; told++) await queues.ledger.markDead(second.chunk.chunkId, 1, testLetter(second.chunk.chunkId));
    const { counts, waits } = await lastHour(['default']);
    const records = { emitted: 8, filtered: 0, deduplicated: 0, rejected: 2 };
    assert.deepEqual(counts, { ...records, bytesIn: 100, bytesOut: 50, committed: 1, failed: 1, lost: 0, released: 0, dead: 1 });
    assert.equal(
      [...waits.values()].reduce((sum, by) => sum + by, 0),
      2,
    );
    assert.ok((waitAt(waits, 0.95) ?? Number.POSITIVE_INFINITY) < 10_000);
    assert.deepEqual(await queues.series.tenants(), ['default']);
    assert.equal((await lastHour(['somebody-else'])).counts.committed, 0);
    const week = await queues.series.read(['default'], 7 * 86_400_000);
    assert.equal(week.stepMs, 300_000);
    assert.equal(sumOfSteps(week.steps).counts.committed, 1);
  });

  test('an attempt that is rescued is lost once, one that is given back is released', async () => {
    const before = (await lastHour(['default'])).counts;
    const jobId = await plannedJob(queues, 'rescued', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const [gone, next] = [testAttemptId(), testAttemptId()];
    await queues.ledger.openAttempt(opening(taskId, gone));
    await queues.ledger.openAttempt(opening(taskId, next));
    await queues.ledger.failAttempt(chunk.chunkId, 1, gone, failureOf('lost', 'lost'));
    for (let told = 0; told < 2; told++) await queues.ledger.releaseAttempt(chunk.chunkId, 1, next);
    const { lost, released, failed } = (await lastHour(['default'])).counts;
    assert.deepEqual([lost - before.lost, released - before.released, failed - before.failed], [1, 1, 0]);
  });

  test('receipts that a rebuild finds happened some other time', async () => {
    const before = (await lastHour(['default'])).counts.committed;
    const jobId = await plannedJob(queues, 'found', 2);
    await queues.ledger.setOutcomes(jobId, 1, 'read', [0]);
    await queues.ledger.markCommitted(chunkId(jobId, 'read', 0), 1, tenRows());
    assert.equal((await lastHour(['default'])).counts.committed, before);
  });
});

const step = (startMs: number, committed: number, waits: [number, number][] = []): SeriesStep => ({
  ...sumOfSteps([]),
  startMs,
  counts: { ...sumOfSteps([]).counts, committed },
  waits: new Map(waits),
});

test('steps are put together by the clock', () => {
  const steps = [step(20, 1), step(30, 2), step(40, 4), step(50, 8)];
  const wide = coarser({ stepMs: 10, steps }, 3);
  assert.deepEqual(
    wide.steps.map(({ startMs, counts }) => [startMs, counts.committed]),
    [
      [0, 1],
      [30, 14],
    ],
  );
});

test('a percentile is right within an eighth', () => {
  assert.equal(waitAt(new Map(), 0.5), null);
  for (const ms of [5, 40, 900, 12_000, 600_000]) {
    const bucket = Math.floor(Math.log(ms + 1) / Math.log(1.25));
    const found =
      waitAt(
        new Map([
          [bucket, 10],
          [bucket + 20, 1],
        ]),
        0.5,
      ) ?? 0;
    assert.ok(Math.abs(found - ms) <= Math.max(1, ms * 0.13), `${ms}: ${found}`);
  }
});
