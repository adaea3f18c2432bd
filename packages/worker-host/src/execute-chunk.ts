/** An attempt at a chunk: open it in the ledger, run it on a core, find out how it ended, record and mark that. */
import { type AttemptId, type FailureRecord, newAttemptId, type Receipt, sumsOfReceipt } from '@millrace/protocol';
import type { AttemptOrders, ClaimedTask, TaskOutcome } from '@millrace/queues';
import { type ChunkWork, loadChunkWork } from './chunk-work.ts';
import type { ClassifiedFailure } from './classify.ts';
import { classifyThrown } from './classify.ts';
import { confirmCommit } from './confirm-commit.ts';
import { failureRecord } from './failure-record.ts';
import { processChunk } from './handlers/process-chunk.ts';
import type { Host, OpenedAttempt } from './host.ts';
import type { Lease } from './lease-keeper.ts';
import { recordFailure, recordLost } from './record-failure.ts';

/** What a run on the core came to, before the journal was asked. */
export type ChunkRun =
  | { readonly kind: 'committed' | 'superseded'; readonly bytesDone: number; readonly recordsDone: number }
  | { readonly kind: 'released' | 'cancelled' }
  | { readonly kind: 'failed'; readonly failure: ClassifiedFailure; readonly bytesDone: number; readonly recordsDone: number };

/** How the attempt ended, after the journal was asked. `winner` is null when the chunk is dead or closed. */
type ChunkEnd =
  | { readonly outcome: 'committed'; readonly receipt: Receipt }
  | { readonly outcome: 'superseded'; readonly winner: AttemptId | null }
  | { readonly outcome: 'released' | 'cancelled' }
  | { readonly outcome: 'failed'; readonly failure: ClassifiedFailure };

export async function executeChunk(task: ClaimedTask, lease: Lease, host: Host): Promise<TaskOutcome> {
  const attempt = await openAttempt(task, host);
  if (attempt === null) return 'acknowledge';
  const work = await loadChunkWork(attempt.orders, host);
  if (attempt.orders.previous !== null) await recordLost(attempt.orders.previous, attempt.orders.chunkId, work.place, host);
  const run = await runOnCore(attempt, work, lease, host);
  const end = await decideEnd(attempt, work, run, host);
  return settle(attempt, work, end, run, host);
}

async function openAttempt(task: ClaimedTask, host: Host): Promise<OpenedAttempt<AttemptOrders> | null> {
  const attemptId = newAttemptId(host.ids);
  const startedAt = host.now();
  const opened = await host.queues.ledger.openAttempt({ taskId: task.taskId, attemptId, ...host.identity, resultVersion: host.resultVersion, startedAt });
  if ('go' in opened) return { attemptId, startedAt, orders: opened.go };
  host.log.info({ taskId: task.taskId, reason: opened.refused }, 'task refused');
  return null;
}

/** Faults become values here, and only here. */
async function runOnCore(attempt: OpenedAttempt<AttemptOrders>, work: ChunkWork, lease: Lease, host: Host): Promise<ChunkRun> {
  try {
    return await processChunk(attempt, work, lease, host);
  } catch (error) {
    return { kind: 'failed', failure: classifyThrown(error), bytesDone: 0, recordsDone: 0 };
  }
}

/** The verdict decides; a run only hints. While the verdict is empty nothing may be deleted, and nothing is here. */
async function decideEnd(attempt: OpenedAttempt<AttemptOrders>, work: ChunkWork, run: ChunkRun, host: Host): Promise<ChunkEnd> {
  const verdict = await confirmCommit(attempt.orders, host);
  if (verdict?.outcome === 'committed') {
    return verdict.attemptId === attempt.attemptId ? { outcome: 'committed', receipt: verdict } : { outcome: 'superseded', winner: verdict.attemptId };
  }
  if (verdict !== null) return { outcome: 'superseded', winner: null };
  if (run.kind === 'released' || run.kind === 'cancelled') return { outcome: run.kind };
  const failure = run.kind === 'failed' ? run.failure : classifyThrown(new Error(`the core said ${run.kind}, but the verdict of ${work.place.stage}.${work.place.chunk} is empty`));
  return { outcome: 'failed', failure };
}

/** Journal, then ledger, then queue: each step may be lost without loss, because the one before it stands. */
async function settle(attempt: OpenedAttempt<AttemptOrders>, work: ChunkWork, end: ChunkEnd, run: ChunkRun, host: Host): Promise<TaskOutcome> {
  const { orders, attemptId } = attempt;
  const log = host.log.child({ jobId: orders.jobId, chunkId: orders.chunkId, attemptId });
  switch (end.outcome) {
    case 'committed':
      await markCommitted(attempt, end.receipt, host);
      log.info({ records: end.receipt.counts.recordsIn, rejected: end.receipt.counts.rejected }, 'attempt committed');
      return 'acknowledge';
    case 'superseded':
      await markWinner(attempt, host);
      log.info({ winner: end.winner }, 'attempt superseded');
      return 'acknowledge';
    case 'released':
    case 'cancelled':
      await host.queues.ledger.releaseAttempt(orders.chunkId, orders.generation, attemptId);
      log.info({ outcome: end.outcome }, 'attempt released');
      return 'acknowledge';
    case 'failed': {
      const record = recordOf(attempt, work, end.failure, run, host);
      await recordFailure(orders.chunkId, record, host);
      log.warn({ code: record.code, class: record.class }, 'attempt failed');
      return 'failed';
    }
    default:
      return end satisfies never;
  }
}

async function markCommitted(attempt: OpenedAttempt<AttemptOrders>, receipt: Receipt, host: Host): Promise<void> {
  const { chunkId, generation, jobId } = attempt.orders;
  await host.queues.ledger.markCommitted(chunkId, generation, attempt.attemptId, sumsOfReceipt(receipt));
  await host.queues.events.nudgeLeader(jobId);
}

/** Another attempt's receipt stands: its mark may have been lost, so it is made again; the bit makes that harmless. */
async function markWinner(attempt: OpenedAttempt<AttemptOrders>, host: Host): Promise<void> {
  const verdict = await confirmCommit(attempt.orders, host);
  if (verdict?.outcome === 'committed') await markCommitted({ ...attempt, attemptId: verdict.attemptId }, verdict, host);
  await host.queues.ledger.releaseAttempt(attempt.orders.chunkId, attempt.orders.generation, attempt.attemptId);
}

function recordOf(attempt: OpenedAttempt<AttemptOrders>, work: ChunkWork, failure: ClassifiedFailure, run: ChunkRun, host: Host): FailureRecord {
  const times = { attemptId: attempt.attemptId, startedAt: attempt.startedAt, endedAt: host.now() };
  const done = 'bytesDone' in run ? run : { bytesDone: 0, recordsDone: 0 };
  return failureRecord(failure, work.place, times, { ...host.identity, coreVersion: host.coreVersion }, done);
}
