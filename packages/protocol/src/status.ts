/** What producers, pages and the command line are told about a job. Counts are exact. */
import type { Balance } from './balance.ts';
import type { ChunkState } from './chunk.ts';
import type { JobId } from './ids.ts';
import type { JobState } from './job.ts';
import type { FailureEvidence } from './manifest.ts';

export interface JobFailure {
  readonly code: string;
  readonly message: string;
  /** Of a budget: which, how much of it, and samples. */
  readonly evidence?: FailureEvidence | undefined;
}

/** One stage: its chunks, and the records (of a reduce stage: rows) that went in and the rows that came out. */
export interface StageStatus {
  readonly name: string;
  readonly kind: 'map' | 'reduce';
  readonly chunks: { readonly total: number; readonly committed: number; readonly dead: number };
  readonly recordsIn: number;
  readonly rowsOut: number;
}

export interface JobStatus {
  readonly jobId: JobId;
  readonly name: string;
  readonly state: JobState;
  readonly generation: number;
  /** What a job that does not move waits for, such as `a worker host of pool default`; null while it moves. */
  readonly waitingFor: string | null;
  /** All chunks are known. */
  readonly sealed: boolean;
  readonly chunks: Readonly<Record<ChunkState | 'total', number>>;
  /** In running order. Chunks of a later stage are known when every stage before it is through. */
  readonly stages: readonly StageStatus[];
  readonly bytes: { readonly total: number; readonly done: number };
  readonly balance: Balance;
  readonly bytesPerSecond: number;
  readonly etaSeconds: number | null;
  readonly failure: JobFailure | null;
}

export type JobEvent = { readonly id: string; readonly at: string } & (
  | { readonly type: 'state' | 'progress'; readonly status: JobStatus }
  | { readonly type: 'dead'; readonly chunk: string; readonly code: string; readonly fingerprint: string }
  | { readonly type: 'warning'; readonly code: string; readonly message: string }
);

/** The numbers of a completed generation. `files`: the first 1,000, the manifest has all. */
export interface JobResult {
  readonly jobId: JobId;
  readonly generation: number;
  readonly manifestUri: string;
  readonly outputUri: string;
  readonly rejectsUri: string;
  readonly balance: Balance;
  readonly parts: number;
  readonly rows: number;
  readonly bytes: number;
  readonly gaps: number;
  readonly durationMs: number;
  readonly files: readonly { readonly uri: string; readonly balance: Balance }[];
}
