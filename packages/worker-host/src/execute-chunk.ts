/** An attempt at a chunk: open it in the ledger, run it on a core, find out how it ended, record and mark that. */
import {
  type AttemptId,
  type Chunk,
  chunkId,
  type FailureRecord,
  newAttemptId,
  parseTaskId,
  type Receipt,
  sumsOfChunk,
  type UncommittedOutcome,
  type Verdict,
} from '@millrace/protocol';
import type { AttemptOrders, ClaimedTask, TaskOutcome } from '@millrace/queues';
import { failpoint } from '@millrace/service-kit/failpoints';
import { barePlace, type ChunkWork, loadChunkWork } from './chunk-work.ts';
import { type ClassifiedFailure, classifyCode, classifyThrown } from './classify.ts';
import { confirmCommit } from './confirm-commit.ts';
import { type AttemptPlace, failureRecord, releasedFor } from './failure-record.ts';
import { processChunk } from './handlers/process-chunk.ts';
import { type Host, type OpenedAttempt, othersOf } from './host.ts';
import type { Lease } from './lease-keeper.ts';
import { taskKindOf } from './metrics.ts';
import { recordFailure, recordLost, recordRelease } from './record-failure.ts';

/** What a run on the core came to, before the journal was asked. */
export type ChunkRun =
  /** `verdict`: what stands in the journal, if the core's answer held it. */
  | { readonly kind: 'committed' | 'superseded'; readonly verdict: Verdict | null }
  | { readonly kind: 'released' | 'cancelled'; readonly bytesDone: number; readonly recordsDone: number }
  | { readonly kind: 'failed'; readonly failure: ClassifiedFailure; readonly bytesDone: number; readonly recordsDone: number };

/** How the attempt ended, after the journal was asked. */
type ChunkEnd =
  | { readonly outcome: 'committed'; readonly receipt: Receipt }
  /** The verdict was filled by another: with a receipt, or by what ends the chunk in this generation. */
  | { readonly outcome: 'superseded'; readonly by: Verdict }
  | { readonly outcome: 'released' | 'cancelled' }
  | { readonly outcome: 'failed'; readonly failure: ClassifiedFailure };

export async function executeChunk(task: ClaimedTask, lease: Lease, host: Host): Promise<TaskOutcome> {
  const attempt = await openAttempt(task, host);
  if (attempt === null) return 'acknowledge';
  const { orders } = attempt;
  await failpoint('chunk.5-6', orders.chunkId);
  const work = await loadWork(orders, host);
  const place = 'kind' in work ? barePlace(orders) : work.place;
  // A host that died between receipt and mark lost nothing: its attempt committed, and this one finds that out.
  if (orders.previous !== null && !(await hasCommitted(orders, orders.previous.attemptId, host)))
    await recordLost(orders.previous, orders.chunkId, 'kind' in work ? 'map' : taskKindOf(work.chunk), place, host);
  const run = 'kind' in work ? work : await runOnCore(attempt, work, lease, host);
  await failpoint('chunk.11-12', orders.chunkId);
  const end = await decideEnd(attempt, run, host);
  const loaded = 'kind' in work ? null : work;
  // A commit counts when the verdict is won, everything else when it is told: what is told again by another attempt is counted there.
  if (end.outcome === 'committed') countEnd(attempt, loaded, end, run, host);
  const told = await settle({ attempt, chunk: loaded?.chunk ?? null }, place, end, run, host);
  if (end.outcome !== 'committed') countEnd(attempt, loaded, end, run, host);
  return told;
}

async function openAttempt(task: ClaimedTask, host: Host): Promise<OpenedAttempt<AttemptOrders> | null> {
  const attemptId = newAttemptId(host.ids);
  const startedAt = host.clock.nowIso();
  const startedMs = host.clock.monotonicMs();
  const others = await othersFor(task, host);
  const opening = { taskId: task.taskId, attemptId, ...host.identity, resultVersion: host.resultVersion, startedAt };
  const opened = await host.queues.ledger.openAttempt({ ...opening, ...(others.length > 0 && { others }) });
  if ('go' in opened) {
    host.log.debug({ jobId: opened.go.jobId, chunkId: opened.go.chunkId, attemptId, mode: opened.go.mode }, 'attempt opened');
    return { attemptId, startedAt, startedMs, orders: opened.go };
  }
  host.metrics.recordRefusedTask(opened.refused);
  host.log.info({ taskId: task.taskId, reason: opened.refused }, 'task refused');
  return null;
}

/** Who else could run a chunk that has killed a core here: a host that is broken must not make a healthy chunk a dead one. */
async function othersFor({ taskId }: ClaimedTask, host: Host): Promise<readonly string[]> {
  const task = parseTaskId(taskId);
  const isKnown = task.kind === 'chunk' && host.crashes.hasCrashedOn(chunkId(task.jobId, task.stage, task.chunk));
  return isKnown ? othersOf(host) : [];
}

/** Unknown counts as no: the record of a loss is worth more than its absence. */
async function hasCommitted(orders: AttemptOrders, attemptId: AttemptId, host: Host): Promise<boolean> {
  const verdict = await confirmCommit(orders, host).catch(() => null);
  return verdict?.outcome === 'committed' && verdict.attemptId === attemptId;
}

/** Faults become values here and in `runOnCore`, and only there. */
async function loadWork(orders: AttemptOrders, host: Host): Promise<ChunkWork | ChunkRun> {
  try {
    return await loadChunkWork(orders, host);
  } catch (error) {
    return failedRun(error);
  }
}

async function runOnCore(attempt: OpenedAttempt<AttemptOrders>, work: ChunkWork, lease: Lease, host: Host): Promise<ChunkRun> {
  try {
    return await processChunk(attempt, work, lease, host);
  } catch (error) {
    return failedRun(error);
  }
}

const failedRun = (error: unknown): ChunkRun => ({ kind: 'failed', failure: classifyThrown(error), bytesDone: 0, recordsDone: 0 });

/**
 * The verdict decides; a run only hints. It is read unless the core handed it over: it never changes. While it is empty nothing may be deleted, and
 * nothing is here.
 */
async function decideEnd(attempt: OpenedAttempt<AttemptOrders>, run: ChunkRun, host: Host): Promise<ChunkEnd> {
  try {
    const told = run.kind === 'committed' || run.kind === 'superseded' ? run.verdict : null;
    const verdict = told ?? (await confirmCommit(attempt.orders, host));
    if (verdict?.outcome === 'committed' && verdict.attemptId === attempt.attemptId) return { outcome: 'committed', receipt: verdict };
    if (verdict !== null) return { outcome: 'superseded', by: verdict };
  } catch (error) {
    // Unknown: the next attempt reads the verdict before it does anything.
    return { outcome: 'failed', failure: run.kind === 'failed' ? run.failure : classifyThrown(error) };
  }
  if (run.kind === 'released' || run.kind === 'cancelled') return { outcome: run.kind };
  if (run.kind === 'failed') return { outcome: 'failed', failure: run.failure };
  return { outcome: 'failed', failure: classifyThrown(new Error(`the core said ${run.kind}, but the verdict of ${attempt.orders.chunkId} is empty`)) };
}

function countEnd({ startedMs }: OpenedAttempt<AttemptOrders>, work: ChunkWork | null, end: ChunkEnd, run: ChunkRun, { metrics, clock }: Host): void {
  const failure = end.outcome === 'failed' ? end.failure : null;
  metrics.recordAttemptEnded(work === null ? 'map' : taskKindOf(work.chunk), end.outcome, (clock.monotonicMs() - startedMs) / 1_000, failure);
  if (end.outcome !== 'committed') metrics.recordWasted(end.outcome, 'bytesDone' in run ? run.bytesDone : 0);
  else if (work !== null) metrics.recordReceipt(work.job.name, end.receipt);
}

/** Journal, then ledger, then queue: each step may be lost without loss, because the one before it stands. */
async function settle(
  { attempt, chunk }: { readonly attempt: OpenedAttempt<AttemptOrders>; readonly chunk: Chunk | null },
  place: AttemptPlace,
  end: ChunkEnd,
  run: ChunkRun,
  host: Host,
): Promise<TaskOutcome> {
  const { orders, attemptId } = attempt;
  const log = host.log.child({ jobId: orders.jobId, chunkId: orders.chunkId, attemptId });
  const durationMs = Math.round(host.clock.monotonicMs() - attempt.startedMs);
  switch (end.outcome) {
    case 'committed': {
      const { counts } = end.receipt;
      await markCommitted(orders, chunk, end.receipt, host);
      host.crashes.committed();
      await failpoint('chunk.12-13', orders.chunkId);
      log.info({ records: counts.recordsIn, rows: counts.rowsOut, rejects: counts.rejected, bytes: counts.bytesIn, durationMs }, 'attempt committed');
      return 'acknowledge';
    }
    case 'superseded': {
      // The winner's mark may have been lost, so it is made again; the bit makes that harmless. The same of a death, which would be found again and again.
      const winner = end.by.outcome === 'committed' ? end.by : null;
      if (winner !== null) await markCommitted(orders, chunk, winner, host);
      if (end.by.outcome === 'dead') await host.queues.ledger.foundDead(orders.chunkId, orders.generation, attemptId);
      await recordRelease(orders.chunkId, recordOf(attempt, place, supersededBy(winner), run, host, 'superseded'), host);
      log.info({ winner: winner?.attemptId ?? null, durationMs }, 'attempt superseded');
      return 'acknowledge';
    }
    case 'released':
    case 'cancelled':
      await recordRelease(orders.chunkId, recordOf(attempt, place, releasedFor(end.outcome), run, host, end.outcome), host);
      log.info({ outcome: end.outcome, durationMs }, 'attempt released');
      return 'acknowledge';
    case 'failed': {
      const record = recordOf(attempt, place, end.failure, run, host);
      await recordFailure(orders.chunkId, record, host);
      if (record.class === 'crash') await host.crashes.crashed(orders.chunkId);
      log.warn({ code: record.code, class: record.class, fingerprint: record.fingerprint, bytes: record.bytesDone, durationMs }, 'attempt failed');
      return 'failed';
    }
    default:
      return end satisfies never;
  }
}

/** Without the chunk the sums are not known; whoever reads the journal next, a rebuild or the finisher, adds them. */
async function markCommitted({ chunkId, generation, jobId }: AttemptOrders, chunk: Chunk | null, receipt: Receipt, host: Host): Promise<void> {
  await host.queues.ledger.markCommitted(chunkId, generation, chunk === null ? null : sumsOfChunk(chunk, receipt));
  await host.queues.events.nudgeLeader(jobId);
}

const supersededBy = (winner: Receipt | null): ClassifiedFailure =>
  classifyCode(
    'ATTEMPT_SUPERSEDED',
    winner === null ? 'the chunk was dead or closed before this attempt ended' : `attempt ${winner.attemptId} committed first`,
  );

function recordOf(
  attempt: OpenedAttempt<AttemptOrders>,
  place: AttemptPlace,
  failure: ClassifiedFailure,
  run: ChunkRun,
  host: Host,
  outcome: UncommittedOutcome = 'failed',
): FailureRecord {
  const times = { attemptId: attempt.attemptId, startedAt: attempt.startedAt, endedAt: host.clock.nowIso() };
  const done = 'bytesDone' in run ? run : { bytesDone: 0, recordsDone: 0 };
  return failureRecord(failure, place, times, { ...host.identity, coreVersion: host.coreVersion }, done, outcome);
}
