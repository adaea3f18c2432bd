/**
 * What the ledger knows of a job: the shape it is created with, the shape it is read as, and the pieces of its plan.
 * Plain data; the scripts that change it stand in `ledger-scripts.ts`.
 */
import type { ChunkRange, JobId, JobStage, JobState } from '@millrace/protocol';

/** How a generation must end when it does not end by itself: a budget exceeded, a plan that cannot be made, a cancel. */
export interface JobEnd {
  readonly state: 'failed' | 'cancelled';
  readonly code: string;
  readonly message: string;
}

/** What `createJob` writes once. Sizes in bytes, instants as ISO 8601 text (for display only, nothing is ordered by them). */
export interface LedgerJob {
  readonly jobId: JobId;
  readonly tenant: string;
  readonly name: string;
  readonly generation: number;
  readonly state: JobState;
  /** Journal key of job.json and the digest of the spec of this generation. */
  readonly jobKey: string;
  readonly specDigest: string;
  readonly resultVersion: number;
  readonly pool: string;
  /** All stages in running order; from the first reduce stage on each is planned when those before it are through. */
  readonly stages: readonly JobStage[];
  /** 0–9, 9 first. */
  readonly priority: number;
  /** Share in bytes among jobs of equal tenant and priority. */
  readonly weight: number;
  /** Chunks of this job in flight at once; null = no limit of its own. */
  readonly maxConcurrency: number | null;
  readonly inputFiles: number;
  readonly inputBytes: number;
  readonly acceptedAt: string;
  /** Of a stream: how long it may be idle before it is sealed. Null: the inputs are files. */
  readonly sealTimeLimitMs: number | null;
}

/** One stage as far as it is planned and done. */
export interface LedgerStage extends JobStage {
  readonly chunks: { readonly total: number; readonly committed: number; readonly dead: number };
  readonly sums: LedgerSums;
}

/** Counts of chunks of all stages by state; `pending` includes those never dispatched. */
export interface LedgerChunkCounts {
  readonly total: number;
  readonly pending: number;
  readonly queued: number;
  readonly running: number;
  readonly retrying: number;
  readonly committed: number;
  readonly dead: number;
}

/** Sums of all receipts marked so far, over all generations. Bytes and records. Of a job with reduce stages as `balanceOfStages` has it. */
export interface LedgerSums {
  readonly recordsIn: number;
  readonly emitted: number;
  readonly filtered: number;
  readonly deduplicated: number;
  readonly rejected: number;
  readonly rowsOut: number;
  readonly repaired: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface LedgerJobView extends LedgerJob {
  readonly paused: boolean;
  readonly cancelled: boolean;
  /** Nothing runs until the rebuild of this job is complete. */
  readonly rebuilding: boolean;
  /** The stages that read files are planned to their end. */
  readonly sealed: boolean;
  /** So many of the later stages are planned too. */
  readonly plannedStages: number;
  readonly stageViews: readonly LedgerStage[];
  /** Rejects of all stages; `sums` has those that are records. */
  readonly allRejected: number;
  /** Segments recorded; when sealed, `sealedSegments` says how many there must be. */
  readonly segments: number;
  readonly sealedSegments: number | null;
  /** Bytes of all chunks planned so far in this generation. */
  readonly bytesPlanned: number;
  readonly chunks: LedgerChunkCounts;
  /** Stored bytes of chunks that are queued or running. */
  readonly flightBytes: number;
  readonly sums: LedgerSums;
  /** Dead letters of this generation: of chunks and of files that could not be planned, and their bytes. */
  readonly deadLetters: { readonly count: number; readonly bytes: number };
  /** Chunks whose receipt is known but not yet summed up (after a rebuild). */
  readonly uncounted: number;
  /** Plan and finish tasks that are pending, queued, running or retrying. */
  readonly openWork: number;
  /** Set when the generation must end so; the finish task is told. */
  readonly end: JobEnd | null;
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly manifestKey: string | null;
  /** A finish found the journal and the ledger apart; the scheduler rebuilds this job and clears it. */
  readonly recheck: boolean;
  /** Number of the last command applied, or -1. */
  readonly lastCommand: number;
  /** How many chunks of this generation an operation lets begin, and how many have begun; null: nothing holds them back. */
  readonly release: { readonly limit: number; readonly started: number } | null;
  /** Null unless chunks are sent by a producer. */
  readonly stream: StreamTotals | null;
  /** Raised by each change of counts or state: a watcher compares it. */
  readonly revision: number;
}

/** One plan segment, as the ledger keeps it. `ranges` are `[first chunk, count]` in the order of the segment's `chunks`. */
export interface SegmentRef {
  readonly segment: number;
  readonly key: string;
  readonly digest: string;
  readonly stage: string;
  readonly ranges: readonly (readonly [first: number, count: number])[];
  readonly bytes: number;
}

/** What `sealed.json` says. */
export interface PlanTotals {
  readonly segments: number;
  readonly chunks: number;
  readonly bytes: number;
}

/** Rejects so far, for the budgets: `byCode`, `byColumn` as column → code → rows, `byFile` by number of the file. */
export interface LedgerRejects {
  readonly byCode: Readonly<Record<string, number>>;
  readonly byColumn: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly byFile: Readonly<Record<string, { readonly recordsIn: number; readonly rejected: number }>>;
}

/** An open dead letter: what lists and plans filter. */
export interface LetterView {
  readonly chunkId: string;
  /** Of the letter: that of the job, or an earlier one whose letter was not selected since. */
  readonly generation: number;
  readonly class: string;
  readonly code: string;
  readonly message: string;
  readonly fingerprint: string | null;
  readonly bytes: number;
  readonly key: string;
  readonly range: ChunkRange | null;
  readonly diedAt: string;
  readonly attempts: number;
  /** Of the last attempt. */
  readonly worker: string | null;
  readonly coreVersion: string | null;
}

/** A place where a group was seen. */
export interface GroupPlace {
  readonly uri: string;
  readonly start: number;
  readonly end: number;
}

/** Failures of one cause in one job. */
export interface JobGroup {
  readonly fingerprint: string;
  readonly code: string;
  readonly class: string;
  /** The newest. */
  readonly message: string;
  /** Attempts that failed so. */
  readonly failures: number;
  /** Open dead letters. */
  readonly dead: number;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** Attempts by hour, such as `2026-11-23T10`: the newest 48 that have some. */
  readonly activity: Readonly<Record<string, number>>;
  /** Journal keys of the newest records, newest first. */
  readonly samples: readonly string[];
  readonly places: readonly GroupPlace[];
}

/** A job that has dead letters or failures. */
export interface TroubledJob {
  readonly jobId: JobId;
  readonly tenant: string;
  readonly name: string;
}

/** A failure as the index is told it from the journal. */
export interface FailureNote {
  readonly attemptId: string;
  readonly fingerprint: string;
  readonly code: string;
  readonly class: string;
  readonly message: string;
  readonly at: string;
  readonly sample: string;
  readonly place: GroupPlace | null;
}

/** A chunk key of a stream: `digest` tells whether the same was sent again or something else. */
export interface StreamKey {
  readonly key: string;
  readonly digest: string;
}

/** A stream as far as its segments are known here. The next segment and chunk have these numbers; what was sent is counted by key. */
export interface StreamTotals {
  readonly segments: number;
  readonly chunks: number;
  readonly keys: number;
  readonly bytes: number;
}

/** What a plan segment of a stream adds. */
export interface StreamSegment {
  readonly ref: SegmentRef;
  readonly keys: readonly StreamKey[];
  /** Bytes of what was sent. */
  readonly sent: number;
}
