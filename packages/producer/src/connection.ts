/** The connection that every call of this library shares: Redis through `queues`, which fails fast while Redis is away. */
import { randomBytes } from 'node:crypto';
import { type AnswerTo, type IdSource, leaseTimes, newRequestId, type Refusal, type Request } from '@millrace/protocol';
import { AnswerTimeoutError, openQueues, type Queues, RedisUnsuitableError } from '@millrace/queues';
import { refusalError, UnavailableError } from './errors.ts';

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
}

/** A request without what every one carries. */
type Body = Request extends infer One ? (One extends Request ? Omit<One, 'requestId' | 'tenant' | 'by'> : never) : never;

const DEFAULT_TIMEOUT_MS = 30_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

export async function openConnection(options: { redis: string | RedisAddress; tenant: string; keyPrefix?: string }): Promise<Connection> {
  const redis = typeof options.redis === 'string' ? options.redis : redisUrl(options.redis);
  try {
    const prefix = options.keyPrefix === undefined ? {} : { prefix: options.keyPrefix };
    const queues = await openQueues({ redis, ...prefix, times: leaseTimes(1), log: silentLog, failFast: true });
    return { queues, tenant: options.tenant, by: `producer:${options.tenant}`, ids: { nowMs: wallClockMs, randomBytes } };
  } catch (error) {
    if (error instanceof RedisUnsuitableError) throw new UnavailableError(error.message, error);
    throw new UnavailableError(`cannot connect to Redis: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function redisUrl(address: RedisAddress): string {
  const url = new URL(`${address.tls === true ? 'rediss' : 'redis'}://${address.host}:${address.port ?? 6379}`);
  url.username = address.username ?? '';
  url.password = address.password ?? '';
  if (address.db !== undefined) url.pathname = `/${address.db}`;
  return url.href;
}

/** Wall time, for the time part of ids only: nothing is ordered by it. */
const wallClockMs = (): number => Math.floor(performance.timeOrigin + performance.now());

export function durationMs(text: string, otherwise = DEFAULT_TIMEOUT_MS): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  return match === null ? otherwise : Number(match[1]) * (UNITS[match[2] as string] as number);
}

/** Asks the scheduler and answers what it said; a refusal is thrown as the error it stands for. */
export async function ask<Asked extends Body>(
  connection: Connection,
  body: Asked,
  options: CallOptions,
  onTimeout: (error: AnswerTimeoutError) => Error,
): Promise<Extract<AnswerTo<Asked['kind']>, { ok: true }>> {
  const { queues, tenant, by, ids } = connection;
  const request = { ...body, requestId: newRequestId(ids), tenant, by } as unknown as Request;
  const timeoutMs = options.timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(options.timeout);
  try {
    const answer = await queues.requests.ask(request, { timeoutMs, ...(options.signal === undefined ? {} : { signal: options.signal }) });
    if (answer.ok) return answer as unknown as Extract<AnswerTo<Asked['kind']>, { ok: true }>;
    throw refusalError(answer as Refusal);
  } catch (error) {
    if (error instanceof AnswerTimeoutError) throw onTimeout(error);
    throw error;
  }
}
