/** One job as its producer sees it: status, events, result and commands. Nothing is asked until a method is called. */
import { isTerminalJobState, type JobEvent, type JobId, type JobResult, type JobStatus } from '@millrace/protocol';
import { ask, type CallOptions, type Connection, durationMs } from './connection.ts';
import { JobCancelledError, JobFailedError, MillraceError } from './errors.ts';
import { type WatchOptions, watchJob } from './watch-job.ts';

export interface JobHandle {
  readonly jobId: JobId;
  /** The idempotency key had this job already. */
  readonly replayed: boolean;
  status(options?: CallOptions): Promise<JobStatus>;
  /** Begins with the current status and ends after the terminal state. */
  watch(options?: WatchOptions): AsyncIterable<JobEvent>;
  /** Waits for the terminal state; throws `JobFailedError` or `JobCancelledError`. */
  result(options?: CallOptions): Promise<JobResult>;
  cancel(reason: string, options?: CallOptions): Promise<JobStatus>;
  pause(reason: string, options?: CallOptions): Promise<JobStatus>;
  resume(options?: CallOptions): Promise<JobStatus>;
  /** Reads the rejects of a correction set, which stands in the journal, as chunks of the next generation. */
  replay(correctionId: string, reason: string, options?: CallOptions): Promise<{ generation: number; records: number }>;
  /** Reopens a failed or cancelled job as its next generation: every chunk without a receipt runs again. */
  redrive(reason: string, options?: CallOptions & { readonly select?: readonly string[] }): Promise<{ generation: number; chunks: number }>;
}

const timedOut = (what: string) => () => new MillraceError('ANSWER_TIMEOUT', `cannot ${what}: no scheduler answered in time`, { retryable: true });

export function jobHandle(connection: Connection, jobId: JobId, replayed: boolean): JobHandle {
  const command = async (verb: 'cancel' | 'pause' | 'resume', reason: string, options: CallOptions = {}): Promise<JobStatus> => {
    const answer = await ask(connection, { kind: 'command', jobId, command: verb, reason }, options, timedOut(`${verb} job ${jobId}`));
    return answer.status;
  };
  return {
    jobId,
    replayed,
    status: async (options = {}) => (await ask(connection, { kind: 'status', jobId }, options, timedOut(`read the status of job ${jobId}`))).status,
    watch: (options = {}) => watchJob(connection, jobId, options),
    result: (options = {}) => waitForResult(connection, jobId, options),
    cancel: (reason, options) => command('cancel', reason, options),
    pause: (reason, options) => command('pause', reason, options),
    resume: (options) => command('resume', '', options),
    replay: async (correctionId, reason, options = {}) => {
      const answer = await ask(connection, { kind: 'replay', jobId, reason, correctionId, spec: null }, options, timedOut(`replay rejects of job ${jobId}`));
      return { generation: answer.generation, records: answer.records };
    },
    redrive: async (reason, options = {}) => {
      const select = options.select === undefined ? ('all' as const) : [...options.select];
      const answer = await ask(connection, { kind: 'redrive', jobId, reason, select, spec: null }, options, timedOut(`redrive job ${jobId}`));
      return { generation: answer.generation, chunks: answer.chunks };
    },
  };
}

/** Waits through generations: a redrive by somebody else while we wait is waited for as well. */
async function waitForResult(connection: Connection, jobId: JobId, options: CallOptions): Promise<JobResult> {
  const late = options.timeout === undefined ? [] : [AbortSignal.timeout(durationMs(options.timeout))];
  const ends = [...late, ...(options.signal === undefined ? [] : [options.signal])];
  const watched = ends.length === 0 ? {} : { signal: AbortSignal.any(ends) };
  for (;;) {
    for await (const event of watchJob(connection, jobId, watched)) {
      if (event.type === 'state' && isTerminalJobState(event.status.state)) break;
    }
    options.signal?.throwIfAborted();
    const answer = await ask(connection, { kind: 'result', jobId }, {}, timedOut(`read the result of job ${jobId}`));
    if (answer.status.state === 'failed') throw new JobFailedError(answer.status);
    if (answer.status.state === 'cancelled') throw new JobCancelledError(answer.status);
    if (answer.result !== null) return answer.result;
    if (ends.some(({ aborted }) => aborted)) throw stillRunning(answer.status);
  }
}

const stillRunning = ({ jobId, state }: JobStatus): MillraceError =>
  new MillraceError('TIMEOUT', `job ${jobId} is ${state}: its result was waited for no longer`, { retryable: true });
