/**
 * What the ledger tells and is told about attempts. A chunk of the map stage and a piece of *work* (a plan or finish task) go through the
 * same states with the same scripts; work has no bit that says "done", its key goes when it is closed.
 *
 * Ids of work: `<jobId>.plan.<first file>` and `<jobId>.finish.0`.
 */
import type { AttemptFailureClass, AttemptId, ChunkId, ChunkMode, ChunkRange, JobId, TaskId } from '@millrace/protocol';
import type { JobEnd } from './ledger-job.ts';

export type LedgerChunkState = 'pending' | 'queued' | 'running' | 'retrying';

/** Who opens an attempt, by which task. `startedAt` is for records and people only. */
export interface AttemptOpening {
  /**
   * Of a chunk that has killed a core of this host: the other hosts of the pool that take tasks. While one of them has not tried, the task is left to it
   * (`crashed-here`), for a while. Absent or empty: this host runs it.
   */
  readonly others?: readonly string[];
  readonly taskId: TaskId;
  readonly attemptId: AttemptId;
  readonly worker: string;
  readonly pod: string | null;
  readonly node: string;
  /** The result version this host's core has; another one than the job's is refused. */
  readonly resultVersion: number;
  readonly startedAt: string;
}

/** An attempt that has been opened and not closed, with its last progress. */
export interface OpenAttempt {
  readonly attemptId: AttemptId;
  readonly taskId: TaskId;
  readonly worker: string;
  readonly pod: string | null;
  readonly node: string;
  readonly startedAt: string;
  readonly bytesDone: number;
  readonly recordsDone: number;
  readonly mode: ChunkMode;
}

/** What to do. `previous` was closed as `lost` by this opening: put its failure record, then call `failAttempt` with outcome `lost`. */
export interface AttemptOrders {
  readonly jobId: JobId;
  readonly chunkId: ChunkId;
  readonly tenant: string;
  readonly jobKey: string;
  readonly specDigest: string;
  readonly generation: number;
  readonly stage: string;
  readonly chunk: number;
  readonly segmentKey: string;
  readonly segmentDigest: string;
  readonly bytes: number;
  readonly mode: ChunkMode;
  readonly previous: OpenAttempt | null;
}

/** What a plan or finish task has to do. */
export interface WorkOrders {
  readonly jobId: JobId;
  readonly workId: ChunkId;
  readonly kind: 'plan' | 'finish';
  readonly tenant: string;
  readonly jobKey: string;
  readonly specDigest: string;
  readonly generation: number;
  /** Plan: the first file still to be planned, or behind the files the number of a later stage. Finish: 0. */
  readonly first: number;
  /** Plan: files that already have a dead letter, to be left out and named in `sealed.json`. */
  readonly unplannable: readonly number[];
  /** Finish: how the generation must end; null = as the journal says (`completed`, or `failed` by balance or budget). */
  readonly end: JobEnd | null;
  readonly previous: OpenAttempt | null;
}

/**
 * Why an opening is refused; the host acknowledges the task. `old-task`: a later dispatch of the same chunk exists. `ended`: the job is not in
 * a state that runs such tasks. `rebuilding`: the ledger was lost and this job is not back yet. `unknown-job`: nothing known. `crashed-here`: the chunk is
 * left to a host whose cores it has not killed.
 */
export type RefusalReason =
  | 'unknown-job'
  | 'rebuilding'
  | 'old-generation'
  | 'old-task'
  | 'has-outcome'
  | 'paused'
  | 'cancelled'
  | 'ended'
  | 'result-version'
  | 'crashed-here';

export type Opened<Orders> = { readonly go: Orders } | { readonly refused: RefusalReason };

export interface ProgressView {
  readonly bytesDone: number;
  readonly recordsDone: number;
}

/** `current` is false when the attempt is no longer the open one (lost, marked by another, ledger rebuilt): stop the core. */
export interface ProgressAnswer {
  readonly cancelled: boolean;
  readonly paused: boolean;
  readonly current: boolean;
}

/** How an attempt ended without commit. `record` is the failure record as JSON when the journal could not take it: a sweeper puts it later. */
export interface AttemptFailure {
  readonly class: AttemptFailureClass;
  readonly code: string;
  readonly message?: string;
  readonly fingerprint: string | null;
  readonly outcome: 'failed' | 'lost';
  readonly endedAt: string;
  readonly range: ChunkRange | null;
  readonly recordKey: string;
  readonly record?: string;
}

/** Ends so far in this generation, by class; `bisected` when an attempt in mode `bisect` has failed. */
export interface PastEnds {
  readonly input: number;
  readonly transient: number;
  readonly resource: number;
  readonly crash: number;
  readonly lost: number;
  readonly bug: number;
  readonly bisected: boolean;
}

/** A chunk that has a key: dispatched at least once and without outcome. Ages in milliseconds of Redis time. */
export interface LedgerChunkView {
  readonly chunkId: ChunkId;
  readonly jobId: JobId;
  readonly stage: string;
  readonly chunk: number;
  readonly generation: number;
  readonly state: LedgerChunkState;
  readonly number: number;
  readonly taskId: TaskId | null;
  readonly segmentKey: string;
  readonly segmentDigest: string;
  readonly bytes: number;
  readonly mode: ChunkMode;
  readonly past: PastEnds;
  readonly attempt: OpenAttempt | null;
  readonly last: {
    readonly class: AttemptFailureClass;
    readonly code: string;
    readonly message: string;
    readonly fingerprint: string | null;
    readonly recordKey: string;
  } | null;
  readonly dying: string | null;
  /** Since the last change of state or progress. */
  readonly ageMs: number;
}

/** A chunk or piece of work that may be dispatched now. `number` is the last dispatch number, for the compare-and-set of `dispatch`. */
export interface ChunkToDispatch {
  readonly chunkId: ChunkId;
  readonly jobId: JobId;
  readonly stage: string;
  readonly chunk: number;
  readonly generation: number;
  readonly number: number;
  readonly segmentKey: string;
  readonly segmentDigest: string;
  /** Known for a chunk that was dispatched before; else null, and the caller reads it from the segment. */
  readonly bytes: number | null;
}

/** What a finish task reports. `notReady`: the journal shows chunks without outcome, the job goes on running. */
export type FinishReport =
  | {
      readonly state: 'completed' | 'failed' | 'cancelled';
      readonly failure: { readonly code: string; readonly message: string } | null;
      readonly manifestKey: string;
    }
  | { readonly state: 'notReady'; readonly missing: readonly ChunkId[] };

/** What the journal still lacks of a job: attempts replaced by a rescue, and failure records that storage did not take at the time. */
export type LateRecord =
  | { readonly kind: 'lost'; readonly attempt: OpenAttempt & { readonly chunkId: ChunkId; readonly generation: number } }
  | { readonly kind: 'record'; readonly key: string; readonly record: string };
