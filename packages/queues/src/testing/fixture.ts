/** What the tests of this package share: queues on a private Redis under a prefix of their own, and a job to try things on. */

import { randomBytes } from 'node:crypto';
import { type AttemptId, chunkTaskId, type JobId, jobIdFromKey, leaseTimes, newAttemptId, type ReceiptSums, type TaskId, zeroSums } from '@millrace/protocol';
import { type LedgerJob, type LetterView, type Log, openQueues, type Queues } from '../index.ts';
import type { ChunkToDispatch } from '../ledger-attempt.ts';

export const quietLog: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Leases of two seconds and what goes with them. */
export const testTimes = leaseTimes(1 / 30);

export async function openTestQueues(redis: string, prefix = `t${randomBytes(4).toString('hex')}:{m}`, times = testTimes): Promise<Queues> {
  const queues = await openQueues({ redis, prefix, times, log: quietLog });
  await queues.sentinel.begin();
  return queues;
}

export function testJob(key: string, changes: Partial<LedgerJob> = {}): LedgerJob {
  return {
    jobId: jobIdFromKey('default', key),
    tenant: 'default',
    name: 'orders',
    generation: 1,
    state: 'accepted',
    jobKey: 'jobs/x/job.json',
    specDigest: 'd1',
    resultVersion: 1,
    pool: 'default',
    stages: [{ name: 'read', kind: 'map' }],
    priority: 5,
    maxConcurrency: null,
    inputFiles: 1,
    inputBytes: 1000,
    acceptedAt: '2026-11-23T10:00:00.000Z',
    sealTimeLimitMs: null,
    weight: 10,
    ...changes,
  };
}

/** A job with one sealed segment of `chunks` chunks. */
export async function plannedJob(queues: Queues, key: string, chunks: number, changes: Partial<LedgerJob> = {}): Promise<JobId> {
  const job = testJob(key, changes);
  await queues.ledger.createJob(job);
  const ranges: [number, number][] = [[0, chunks]];
  await queues.ledger.recordSegment(job.jobId, 1, { segment: 0, key: 'plan/0', digest: 's0', stage: 'read', ranges, bytes: chunks * 10 });
  await queues.ledger.sealPlan(job.jobId, 1, { segments: 1, chunks, bytes: chunks * 10 });
  return job.jobId;
}

export function testAttemptId(): AttemptId {
  return newAttemptId({ nowMs: () => 1, randomBytes: (count) => randomBytes(count) });
}

export async function dispatched(queues: Queues, chunk: ChunkToDispatch): Promise<TaskId> {
  const number = await queues.ledger.dispatch({ ...chunk, bytes: chunk.bytes ?? 10 });
  if (number === null) throw new Error(`cannot dispatch ${chunk.chunkId}`);
  return chunkTaskId(chunk.chunkId, { generation: chunk.generation, epoch: await queues.ledger.epoch(), number });
}

export async function dispatchOne(queues: Queues, jobId: JobId): Promise<{ chunk: ChunkToDispatch; taskId: TaskId }> {
  const [chunk] = await queues.ledger.dispatchable(jobId, 1);
  if (!chunk) throw new Error('nothing to dispatch');
  return { chunk, taskId: await dispatched(queues, chunk) };
}

export function opening(taskId: TaskId, attemptId = testAttemptId(), worker = 'w-1') {
  return { taskId, attemptId, worker, pod: null, node: 'here', resultVersion: 1, startedAt: '2026-11-23T10:00:01.000Z' };
}

export function tenRows(rejected = 1): ReceiptSums {
  const fates = { recordsIn: 10, emitted: 10 - rejected, filtered: 0, deduplicated: 0, rejected };
  return {
    ...zeroSums,
    balance: { ...zeroSums.balance, ...fates, rowsOut: 10 - rejected },
    bytesIn: 100,
    bytesOut: 50,
    byCode: { TYPE_NUMBER: rejected },
    byColumn: { amount: { TYPE_NUMBER: rejected } },
    files: { '0': fates },
  };
}

export function failureOf(failureClass: 'transient' | 'crash' | 'lost' | 'bug' | 'input' | 'resource', outcome: 'failed' | 'lost' = 'failed') {
  return {
    class: failureClass,
    code: 'X',
    message: 'm',
    fingerprint: 'fp1-1',
    outcome,
    endedAt: '2026-11-23T10:00:02.000Z',
    range: null,
    recordKey: 'failures/x.json',
  };
}

export function testLetter(chunkId: string, changes: Partial<LetterView> = {}): LetterView {
  const place = { range: null, diedAt: '2026-11-23T10:00:03.000Z', attempts: 1, worker: 'w-1', coreVersion: '0' };
  return { chunkId, generation: 1, class: 'input', code: 'X', message: '', fingerprint: null, bytes: 10, key: 'dead/x', ...place, ...changes };
}
