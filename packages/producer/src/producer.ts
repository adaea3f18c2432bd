/** The facade that services hold: it only delegates. */
import { setTimeout as delay } from 'node:timers/promises';
import type { JobId, JobSpecInput } from '@millrace/protocol';
import { type JobStream, jobStream } from './chunk-stream.ts';
import { type CallOptions, type Connection, durationMs, openConnection, type RedisAddress } from './connection.ts';
import { type JobHandle, jobHandle } from './job-handle.ts';
import { type Redrives, redrives } from './redrives.ts';
import { type Schedules, schedules } from './schedules.ts';
import { openStream, type StreamSpec, type SubmitOptions, submitJob } from './submit.ts';

export interface ConnectOptions extends CallOptions {
  /** `redis://host:port`, `unix:///path/redis.sock`, or the parts of an address. */
  readonly redis: string | RedisAddress;
  /** `default` when not given. */
  readonly tenant?: string;
  /** `millrace:{m}` when not given; the braces keep a cluster's keys in one slot. */
  readonly keyPrefix?: string;
}

export interface Producer extends AsyncDisposable {
  submit(spec: JobSpecInput, options?: SubmitOptions): Promise<JobHandle>;
  /** A job whose chunks are sent one after another. Several processes may feed one stream: the same key opens the same. */
  open(spec: StreamSpec, options?: SubmitOptions): Promise<JobStream>;
  /** A job by its id; nothing is asked until the handle is used. */
  job(jobId: string): JobHandle;
  /** Dead letters, error groups and what is redriven of them. */
  readonly redrives: Redrives;
  /** Recurring jobs. */
  readonly schedules: Schedules;
  /** Ends streams, waits for calls in hand (`timeout`, 10 s when not given), then disconnects. */
  close(options?: CallOptions): Promise<void>;
}

/** Resolves when Redis answers (within `timeout`, 30 s when not given) and is fit for work that must not be lost; else throws `UnavailableError`. */
export async function connect(options: ConnectOptions): Promise<Producer> {
  const { tenant = 'default', ...rest } = options;
  return producerOver(await openConnection({ ...rest, tenant }));
}

/** How long `close` waits for calls in hand. */
const CLOSE_MS = 10_000;

function producerOver(connection: Connection): Producer {
  const close = async (options: CallOptions = {}): Promise<void> => {
    connection.closed.abort();
    const timer = new AbortController();
    const given = options.timeout === undefined ? CLOSE_MS : durationMs(options.timeout);
    const late = delay(given, undefined, { signal: timer.signal, ref: false }).catch(() => undefined);
    await Promise.race([Promise.all(connection.inHand), late]);
    timer.abort();
    await connection.queues.close();
  };
  return {
    submit: async (spec, submitOptions = {}) => {
      const { jobId, replayed } = await submitJob(connection, spec, submitOptions);
      return jobHandle(connection, jobId, replayed);
    },
    open: async (spec, submitOptions = {}) => {
      const { jobId, replayed } = await openStream(connection, spec, submitOptions);
      return jobStream(connection, jobId, replayed);
    },
    job: (jobId) => jobHandle(connection, jobId as JobId, false),
    redrives: redrives(connection),
    schedules: schedules(connection),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
