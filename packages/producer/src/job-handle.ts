/** One job as its producer sees it: status, events, result and commands. Nothing is asked until a method is called. */
import { isTerminalJobState, type JobEvent, type JobId, type JobResult, type JobStatus } from '@millrace/protocol';
import { ask, type CallOptions, type Connection, type Duration, durationMs } from './connection.ts';
import { JobCancelledError, JobFailedError, MillraceError } from './errors.ts';

export interface WatchOptions {
  /** Resume behind this event. */
  readonly after?: string;
  /** At most one progress event in this time; `1s` by default. */
  readonly throttle?: Duration;
  /** Events and ends of earlier generations are passed over: what to give after a redrive. */
  readonly generation?: number;
  readonly signal?: AbortSignal;
}

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
    redrive: async (reason, options = {}) => {
      const select = options.select === undefined ? ('all' as const) : [...options.select];
      const answer = await ask(connection, { kind: 'redrive', jobId, reason, select, spec: null }, options, timedOut(`redrive job ${jobId}`));
      return { generation: answer.generation, chunks: answer.chunks };
    },
  };
}

async function* watchJob(connection: Connection, jobId: JobId, options: WatchOptions): AsyncGenerator<JobEvent, void, undefined> {
  const { queues, tenant } = connection;
  const throttleMs = durationMs(options.throttle ?? '1s', 1_000);
  const resume = { ...(options.after === undefined ? {} : { after: options.after }), ...(options.signal === undefined ? {} : { signal: options.signal }) };
  const status = await currentStatus(connection, jobId);
  const generation = options.generation ?? status.generation;
  if (status.generation >= generation) yield { id: options.after ?? '0-0', at: new Date(performance.timeOrigin + performance.now()).toISOString(), type: 'state', status };
  if (isTerminalJobState(status.state) && status.generation >= generation) return;
  let lastProgressAt = Number.NEGATIVE_INFINITY;
  // From the beginning of what is kept when no place was given: an end between the status and the first look must not be missed.
  for await (const event of queues.events.watch(tenant, jobId, { after: '0-0', ...resume })) {
    if (isStale(event, generation)) continue;
    if (event.type === 'progress') {
      const now = performance.now();
      if (now - lastProgressAt < throttleMs) continue;
      lastProgressAt = now;
    }
    yield event;
  }
}

/** Events of an earlier generation, its end above all, say nothing about the one that is watched. */
const isStale = (event: JobEvent, generation: number): boolean => (event.type === 'state' || event.type === 'progress') && event.status.generation < generation;

async function currentStatus(connection: Connection, jobId: JobId): Promise<JobStatus> {
  return (await ask(connection, { kind: 'status', jobId }, {}, timedOut(`watch job ${jobId}`))).status;
}

async function waitForResult(connection: Connection, jobId: JobId, options: CallOptions): Promise<JobResult> {
  const timeout = options.timeout === undefined ? null : AbortSignal.timeout(durationMs(options.timeout));
  const signals = [options.signal, timeout].filter((signal) => signal !== undefined && signal !== null);
  const signal = signals.length === 0 ? {} : { signal: AbortSignal.any(signals) };
  for await (const event of watchJob(connection, jobId, signal)) {
    if (event.type === 'state' && isTerminalJobState(event.status.state)) break;
  }
  const answer = await ask(connection, { kind: 'result', jobId }, {}, timedOut(`read the result of job ${jobId}`));
  if (answer.status.state === 'failed') throw new JobFailedError(answer.status);
  if (answer.status.state === 'cancelled') throw new JobCancelledError(answer.status);
  if (answer.result === null) throw new MillraceError('TIMEOUT', `job ${jobId} is ${answer.status.state}: its result was waited for no longer`, { retryable: true });
  return answer.result;
}
