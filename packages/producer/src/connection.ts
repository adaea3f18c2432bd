/** The connection that every call of this library shares: Redis through `queues`, which fails fast while Redis is away. */
import { randomBytes } from 'node:crypto';
import { type AnswerTo, type IdSource, leaseTimes, newRequestId, type Refusal, type Request } from '@millrace/protocol';
import { AnswerTimeoutError, openQueues, type Queues, RedisUnsuitableError } from '@millrace/queues';
import { MillraceError, refusalError, UnavailableError } from './errors.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port?: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: boolean;
  readonly db?: number;
}

export interface CallOptions {
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

export interface Connection {
  readonly queues: Queues;
  readonly tenant: string;
  readonly by: string;
  readonly ids: IdSource;
  /** Calls under way, which `close` waits for. */
  readonly inHand: Set<Promise<unknown>>;
  /** Aborted by `close`: streams end. */
  readonly closed: AbortController;
}

/** A request without what every one carries. */
type Body = Request extends infer One ? (One extends Request ? Omit<One, 'requestId' | 'tenant' | 'by'> : never) : never;

const DEFAULT_TIMEOUT_MS = 30_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

export interface Address extends CallOptions {
  readonly redis: string | RedisAddress;
  readonly tenant: string;
  readonly keyPrefix?: string;
}

export async function openConnection(options: Address): Promise<Connection> {
  const redis = typeof options.redis === 'string' ? options.redis : redisUrl(options.redis);
  const prefix = options.keyPrefix === undefined ? {} : { prefix: options.keyPrefix };
  const timeoutMs = timeoutOf(options);
  const opening = openQueues({ redis, ...prefix, times: leaseTimes(1), log: silentLog, failFast: true });
  try {
    const queues = await inTime(opening, timeoutMs, options.signal);
    const by = `producer:${options.tenant}`;
    return { queues, tenant: options.tenant, by, ids: { nowMs: wallClockMs, randomBytes }, inHand: new Set(), closed: new AbortController() };
  } catch (error) {
    // It may still succeed when nobody waits any more.
    void opening.then((queues) => queues.close()).catch(() => undefined);
    options.signal?.throwIfAborted();
    if (error instanceof RedisUnsuitableError) throw new UnavailableError(error.message, error);
    throw new UnavailableError(`cannot connect to Redis: ${messageOf(error)}`, error);
  }
}

async function inTime<T>(promise: Promise<T>, timeoutMs: number, signal: AbortSignal | undefined): Promise<T> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  const late = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    const onAbort = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true, signal: stop.signal });
    stop.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function redisUrl(address: RedisAddress): string {
  const url = new URL(`${address.tls === true ? 'rediss' : 'redis'}://${address.host}:${address.port ?? 6379}`);
  url.username = address.username ?? '';
  url.password = address.password ?? '';
  if (address.db !== undefined) url.pathname = `/${address.db}`;
  return url.href;
}

/** Wall time, for the time part of ids only: nothing is ordered by it. */
const wallClockMs = (): number => Math.floor(performance.timeOrigin + performance.now());

/** Throws `MillraceError` for a text that is no duration: a typing error must not become the default. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) throw new MillraceError('REQUEST_INVALID', `expected a duration such as 30s, got ${JSON.stringify(text)}`);
  return Number(match[1]) * unit;
}

export const timeoutOf = (options: CallOptions): number => (options.timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(options.timeout));

/** Asks the scheduler and answers what it said; a refusal is thrown as the error it stands for. */
export async function ask<Asked extends Body>(
  connection: Connection,
  body: Asked,
  options: CallOptions,
  onTimeout: (error: AnswerTimeoutError) => Error,
): Promise<Extract<AnswerTo<Asked['kind']>, { ok: true }>> {
  const timeoutMs = timeoutOf(options);
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const answer = await call(
    connection,
    options,
    async (request) => {
      try {
        return await connection.queues.requests.ask(request, { timeoutMs, ...signal });
      } catch (error) {
        throw error instanceof AnswerTimeoutError ? onTimeout(error) : error;
      }
    },
    body,
  );
  if (answer.ok) return answer as unknown as Extract<AnswerTo<Asked['kind']>, { ok: true }>;
  throw refusalError(answer as Refusal);
}

/** Sends without waiting for an answer: resolves when Redis has the request. */
export async function send(connection: Connection, body: Body, options: CallOptions): Promise<void> {
  await call(connection, options, (request) => inTime(connection.queues.requests.send(request), timeoutOf(options), options.signal), body);
}

/** One call of a user: counted while it is under way, its faults told as errors of this library. */
async function call<T>(connection: Connection, options: CallOptions, act: (request: Request) => Promise<T>, body: Body): Promise<T> {
  const { tenant, by, ids, inHand, closed } = connection;
  options.signal?.throwIfAborted();
  if (closed.signal.aborted) throw new UnavailableError('the producer is closed');
  const acting = act({ ...body, requestId: newRequestId(ids), tenant, by } as unknown as Request);
  const settled = acting.catch(() => undefined).finally(() => inHand.delete(settled));
  inHand.add(settled);
  try {
    return await acting;
  } catch (error) {
    if (error instanceof MillraceError || options.signal?.aborted === true) throw error;
    throw new UnavailableError(`Redis failed under the call: ${messageOf(error)}`, error);
  }
}
