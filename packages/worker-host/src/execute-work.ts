/** An attempt at a plan or finish task: the same life as a chunk's, but what it works on is the job as a whole. */
import { type FailureRecord, newAttemptId, type UncommittedOutcome } from '@millrace/protocol';
import type { ClaimedTask, TaskOutcome, WorkOrders } from '@millrace/queues';
import { type ClassifiedFailure, classifyThrown } from './classify.ts';
import { failureRecord, releasedFor } from './failure-record.ts';
import { workHandlers } from './handlers/index.ts';
import { workPlace } from './handlers/work-place.ts';
import type { Host, OpenedAttempt } from './host.ts';
import type { Lease } from './lease-keeper.ts';
import { recordFailure, recordLost, recordRelease } from './record-failure.ts';

/** How a piece of work ended. Nothing is marked for `done`: the handler has told the ledger what it did. */
export type WorkEnd = { readonly outcome: 'done' | 'released' | 'cancelled' } | { readonly outcome: 'failed'; readonly failure: ClassifiedFailure };

export type WorkHandler = (attempt: OpenedAttempt<WorkOrders>, lease: Lease, host: Host) => Promise<WorkEnd>;

export async function executeWork(task: ClaimedTask, lease: Lease, host: Host): Promise<TaskOutcome> {
  const attempt = await openWork(task, host);
  if (attempt === null) return 'acknowledge';
  const { orders } = attempt;
  if (orders.previous !== null) await recordLost(orders.previous, orders.workId, orders.kind, workPlace(orders, null), host);
  const end = await runHandler(attempt, lease, host);
  const seconds = (host.clock.monotonicMs() - attempt.startedMs) / 1_000;
  host.metrics.recordAttemptEnded(orders.kind, end.outcome === 'done' ? 'committed' : end.outcome, seconds, end.outcome === 'failed' ? end.failure : null);
  return settleWork(attempt, end, host);
}

async function openWork(task: ClaimedTask, host: Host): Promise<OpenedAttempt<WorkOrders> | null> {
  const attemptId = newAttemptId(host.ids);
  const startedAt = host.clock.nowIso();
  const startedMs = host.clock.monotonicMs();
  const opened = await host.queues.ledger.openWork({ taskId: task.taskId, attemptId, ...host.identity, resultVersion: host.resultVersion, startedAt });
  if ('go' in opened) {
    host.log.debug({ jobId: opened.go.jobId, taskKind: opened.go.kind, attemptId }, 'attempt opened');
    return { attemptId, startedAt, startedMs, orders: opened.go };
  }
  host.metrics.recordRefusedTask(opened.refused);
  host.log.info({ taskId: task.taskId, reason: opened.refused }, 'task refused');
  return null;
}

/** Faults become values here, and only here. */
async function runHandler(attempt: OpenedAttempt<WorkOrders>, lease: Lease, host: Host): Promise<WorkEnd> {
  try {
    return await workHandlers[attempt.orders.kind](attempt, lease, host);
  } catch (error) {
    return { outcome: 'failed', failure: classifyThrown(error) };
  }
}

async function settleWork(attempt: OpenedAttempt<WorkOrders>, end: WorkEnd, host: Host): Promise<TaskOutcome> {
  const { orders, attemptId } = attempt;
  const log = host.log.child({ jobId: orders.jobId, attemptId, taskKind: orders.kind });
  const durationMs = Math.round(host.clock.monotonicMs() - attempt.startedMs);
  switch (end.outcome) {
    case 'done':
      await host.queues.events.nudgeLeader(orders.jobId);
      log.info({ durationMs }, 'work done');
      return 'acknowledge';
    case 'released':
    case 'cancelled':
      await recordRelease(orders.workId, await recordOf(attempt, releasedFor(end.outcome), host, end.outcome), host);
      log.info({ outcome: end.outcome, durationMs }, 'attempt released');
      return 'acknowledge';
    case 'failed': {
      const record = await recordOf(attempt, end.failure, host);
      await recordFailure(orders.workId, record, host);
      log.warn({ code: record.code, class: record.class, fingerprint: record.fingerprint, bytes: record.bytesDone, durationMs }, 'attempt failed');
      return 'failed';
    }
    default:
      return end satisfies never;
  }
}

async function recordOf(
  attempt: OpenedAttempt<WorkOrders>,
  failure: ClassifiedFailure,
  host: Host,
  outcome: UncommittedOutcome = 'failed',
): Promise<FailureRecord> {
  const times = { attemptId: attempt.attemptId, startedAt: attempt.startedAt, endedAt: host.clock.nowIso() };
  const done = { bytesDone: 0, recordsDone: 0 };
  // Only for the names in the fingerprint: a journal that does not answer must not hide the failure.
  const job = await host.journal.readJobRecord(attempt.orders.jobId).catch(() => null);
  return failureRecord(failure, workPlace(attempt.orders, job?.record ?? null), times, { ...host.identity, coreVersion: host.coreVersion }, done, outcome);
}
