/** What services import to submit jobs and follow them. Talks to Redis by itself; needs no server but a scheduler. */
export type { Balance, ChunkState, JobEvent, JobId, JobResult, JobSpecInput as JobSpec, JobState, JobStatus, ResolvedJobSpec } from '@millrace/protocol';
export type { ChunkInput, EnqueueOptions, JobStream } from './chunk-stream.ts';
export type { CallOptions, Duration, RedisAddress } from './connection.ts';
export {
  AckTimeoutError,
  ConflictError,
  JobCancelledError,
  JobFailedError,
  MillraceError,
  NotFoundError,
  SpecError,
  StateError,
  UnavailableError,
} from './errors.ts';
export type { JobHandle } from './job-handle.ts';
export type { ConnectOptions, Producer } from './producer.ts';
export { connect } from './producer.ts';
export type { Redrives } from './redrives.ts';
export type { Schedules } from './schedules.ts';
export type { StreamSpec, SubmitOptions } from './submit.ts';
export { validate } from './submit.ts';
export type { WatchOptions } from './watch-job.ts';
