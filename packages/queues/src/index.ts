/**
 * Task queues, the ledger, questions to the scheduler, who leads and who is alive: all that Millrace keeps in Redis. Nothing here is the truth;
 * the journal is. BullMQ's words (job, lock) stay inside.
 */

export type { ApiCalls, CallState, KeptAnswer } from './api-calls.ts';
export { isCountedInPart, nextLater, noSpeed, type Speed, statusFromLedger } from './job-status.ts';
export type { LateSweep, LateSweeps } from './late-sweeps.ts';
export type { LeaderLease, Leadership } from './leader-lease.ts';
export type { Ledger } from './ledger.ts';
export type {
  AttemptFailure,
  AttemptOpening,
  AttemptOrders,
  ChunkToDispatch,
  FinishReport,
  LateRecord,
  LedgerChunkState,
  LedgerChunkView,
  OpenAttempt,
  Opened,
  PastEnds,
  ProgressAnswer,
  ProgressView,
  RefusalReason,
  WorkOrders,
} from './ledger-attempt.ts';
export { EpochUnknownError } from './ledger-client.ts';
export type {
  FailureNote,
  GroupPlace,
  JobEnd,
  JobGroup,
  LedgerChunkCounts,
  LedgerJob,
  LedgerJobView,
  LedgerRejects,
  LedgerStage,
  LedgerSums,
  LetterView,
  PlanTotals,
  SegmentRef,
  StreamKey,
  StreamSegment,
  StreamTotals,
  TroubledJob,
} from './ledger-job.ts';
export type { LiveEvents, TenantEvent } from './live-events.ts';
export type { Log } from './log.ts';
export type { Queues, QueuesOptions } from './open-queues.ts';
export { openQueues } from './open-queues.ts';
export type { Operations } from './operations.ts';
export type { QueueSettings } from './queue-settings.ts';
export { isRedisFault, RedisUnsuitableError, redisFaultCode } from './redis.ts';
export type { Requests } from './requests.ts';
export { AnswerTimeoutError } from './requests.ts';
export { answerScaling, readPosted, type ScalingAnswer } from './scaling-answer.ts';
export type { Posted, ScalingBoard } from './scaling-board.ts';
export type { Finding, Sentinel, SentinelState } from './sentinel.ts';
export { coarser, type Series, type SeriesStep, type SeriesWindow, sumOfSteps, waitAt } from './series.ts';
export type { Invitation, Session, Sessions } from './sessions.ts';
export type { ClaimedTask, QueueCounts, TaskConsumer, TaskEntry, TaskOutcome, TaskQueues } from './task-queues.ts';
export type { LiveWorker, WorkerRegistry, WorkerView } from './worker-registry.ts';
