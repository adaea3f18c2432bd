/** The facade that services hold: it only delegates. */
import type { JobId, JobSpecInput } from '@millrace/protocol';
import { type CallOptions, type Connection, openConnection, type RedisAddress } from './connection.ts';
import { type JobHandle, jobHandle } from './job-handle.ts';
import { type SubmitOptions, submitJob } from './submit.ts';

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
  /** A job by its id; nothing is asked until the handle is used. */
  job(jobId: string): JobHandle;
  /** Waits for calls in hand, then disconnects. */
  close(): Promise<void>;
}

/** Resolves when Redis answers and is fit for work that must not be lost; else throws `UnavailableError` naming what was found. */
export async function connect(options: ConnectOptions): Promise<Producer> {
  const keyPrefix = options.keyPrefix === undefined ? {} : { keyPrefix: options.keyPrefix };
  return producerOver(await openConnection({ redis: options.redis, tenant: options.tenant ?? 'default', ...keyPrefix }));
}

function producerOver(connection: Connection): Producer {
  const inHand = new Set<Promise<unknown>>();
  const track = <T>(call: Promise<T>): Promise<T> => {
    const settled = call.catch(() => undefined).finally(() => inHand.delete(settled));
    inHand.add(settled);
    return call;
  };
  const close = async (): Promise<void> => {
    await Promise.all(inHand);
    await connection.queues.close();
  };
  return {
    submit: async (spec, submitOptions = {}) => {
      const { jobId, replayed } = await track(submitJob(connection, spec, submitOptions));
      return jobHandle(connection, jobId, replayed);
    },
    job: (jobId) => jobHandle(connection, jobId as JobId, false),
    close,
    [Symbol.asyncDispose]: close,
  };
}
