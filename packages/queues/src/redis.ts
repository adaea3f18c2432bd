/**
 * The only importer of ioredis: one connection policy for all. A dead peer is noticed by silence, reconnects are jittered, a failover is
 * followed. Refuses a Redis that would lose work by design: one older than 7, or one that evicts keys.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';

import type { LeaseTimes } from '@millrace/protocol';
import { Redis, type RedisOptions } from 'ioredis';
import type { Log } from './log.ts';

export type RedisClient = Redis;

/**
 * `worker`: blocks and waits for as long as Redis is away, as BullMQ demands. `service`: gives up a command after 20 reconnects.
 * `failFast`: a command fails at once while Redis is away, for callers that would rather say so than hang.
 */
export type ConnectionKind = 'worker' | 'service' | 'failFast';

/** Told of each command that was answered or failed: seconds, and whether it worked. */
export type CommandWatch = (seconds: number, worked: boolean) => void;

export class RedisUnsuitableError extends Error {
  override readonly name = 'RedisUnsuitableError';
  readonly code = 'REDIS_UNSUITABLE';
}

const leastMajorVersion = 7;

export function connectionOptions(kind: ConnectionKind, times: Pick<LeaseTimes, 'socketTimeoutMs'>) {
  return {
    socketTimeout: times.socketTimeoutMs,
    connectTimeout: 10_000,
    keepAlive: 10_000,
    // Full jitter between 50 ms and 2 s: many hosts must not come back in the same instant.
    retryStrategy: (attempt: number) => 50 + randomInt(Math.min(1_950, 50 * 2 ** Math.min(attempt, 6))),
    reconnectOnError: (error: Error): false | 2 => (/^(READONLY|LOADING)/.test(error.message) ? 2 : false),
    maxRetriesPerRequest: kind === 'worker' ? null : kind === 'failFast' ? 1 : 20,
    enableOfflineQueue: kind !== 'failFast',
    // A Redis that takes connections and answers nothing (stopped, or its disk hangs) is only noticed command by command: without this a call would wait for
    // as many reconnects as that takes.
    ...(kind === 'failFast' ? { commandTimeout: 2 * times.socketTimeoutMs } : {}),
    lazyConnect: true,
  } satisfies RedisOptions;
}

/** Where Redis is. `passwordFile` holds the password and is read before every connection, so that it can be rotated under a running process. */
export interface RedisPlace {
  /** `unix:///path` or `redis[s]://[user:password@]host[:port][/db]`. */
  readonly address: string;
  readonly passwordFile: string | null;
}

/** Opens a connection and waits for it. */
export async function connectRedis(
  place: RedisPlace,
  kind: ConnectionKind,
  times: Pick<LeaseTimes, 'socketTimeoutMs'>,
  log: Log,
  watch?: CommandWatch,
): Promise<RedisClient> {
  const options = connectionOptions(kind, times);
  const socket = /^unix:\/\/(\/.*)$/.exec(place.address)?.[1];
  const client: RedisClient = socket === undefined ? new Redis(place.address, options) : new Redis(socket, options);
  const { passwordFile } = place;
  if (passwordFile !== null) {
    client.options.password = passwordIn(passwordFile);
    // ioredis takes the password from its options each time it connects; a file that cannot be read just now leaves it as it was.
    client.on('reconnecting', () => {
      try {
        client.options.password = passwordIn(passwordFile);
      } catch (err) {
        log.warn({ err }, 'redis password not read');
      }
    });
  }
  // Those of workers block until there is something to do: how long says nothing.
  if (watch !== undefined && kind !== 'worker') watchCommands(client, watch);
  // Without a listener an error event ends the process; the first of a series is worth a line, the others are not.
  let failing = false;
  client.on('error', (error: Error) => {
    if (!failing) log.warn({ err: error }, 'redis connection failed');
    failing = true;
  });
  client.on('ready', () => {
    failing = false;
  });
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw error;
  }
  return client;
}

const passwordIn = (path: string): string => readFileSync(path, 'utf8').replace(/\r?\n$/, '');
/** A command carries its own promise; one in a pipeline is sent by itself too. */
function watchCommands(client: RedisClient, watch: CommandWatch): void {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    const sentAtMs = performance.now();
    const tell = (worked: boolean): void => watch((performance.now() - sentAtMs) / 1_000, worked);
    command.promise.then(
      () => tell(true),
      // A script that refuses has been answered: `NOSCRIPT` and the like are no outage.
      (error: unknown) => tell(error instanceof Error && error.name === 'ReplyError'),
    );
    return send(command, stream);
  };
}

/** The instant of Redis, in milliseconds since 1970. */
export async function redisTime(client: RedisClient): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

/** Bytes that Redis uses, and may use; 0: no limit. */
export async function redisMemory(client: RedisClient): Promise<{ readonly used: number; readonly limit: number }> {
  const info = await client.info('memory');
  return { used: Number(infoField(info, 'used_memory') ?? 0), limit: Number(infoField(info, 'maxmemory') ?? 0) };
}

/** Throws `RedisUnsuitableError` naming the finding. */
export async function checkRedis(client: RedisClient): Promise<void> {
  const version = infoField(await client.info('server'), 'redis_version') ?? '0';
  if (Number.parseInt(version, 10) < leastMajorVersion) {
    throw new RedisUnsuitableError(`cannot use this Redis: expected version ${leastMajorVersion} or later, got ${version}`);
  }
  const policy = infoField(await client.info('memory'), 'maxmemory_policy') ?? 'unknown';
  if (policy !== 'noeviction') {
    throw new RedisUnsuitableError(`cannot use this Redis: expected maxmemory-policy noeviction, got ${policy}; it would drop waiting work`);
  }
}

const fullAt = 0.8;
const memoryLookMs = 1_000;

/** Whether Redis is above its soft limit of memory; without `maxmemory` it never is. */
export function memoryWatch(client: RedisClient): () => Promise<boolean> {
  let seen = { isFull: false, atMs: Number.NEGATIVE_INFINITY };
  return async () => {
    if (performance.now() - seen.atMs < memoryLookMs) return seen.isFull;
    const { used, limit } = await redisMemory(client);
    seen = { isFull: limit > 0 && used >= limit * fullAt, atMs: performance.now() };
    return seen.isFull;
  };
}

/** What a command throws because Redis is away, refuses or lost its ledger: the same call may succeed later. */
export function isRedisFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && (error.code === 'LEDGER_REBUILDING' || error.code === 'REDIS_UNSUITABLE')) return true;
  if (error.name === 'ReplyError' || error.name === 'MaxRetriesPerRequestError') return true;
  return /^(Connection is closed|Command aborted|Socket timeout|Command timed out|Stream isn't writeable|connect E|read E|write E)/.test(error.message);
}

/** What a fault of Redis is told as to whoever asked; null for another error. Both are cured by asking again. */
export function redisFaultCode(error: unknown): 'REDIS_MEMORY' | 'REDIS_UNAVAILABLE' | null {
  if (!(error instanceof Error) || !isRedisFault(error)) return null;
  return /\bOOM command not allowed/.test(error.message) ? 'REDIS_MEMORY' : 'REDIS_UNAVAILABLE';
}

/** One field of an INFO answer, null when it is not there. */
export function infoField(info: string, field: string): string | null {
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? null;
}

/** Ends a connection without waiting for Redis. */
export function closeRedis(client: RedisClient): void {
  client.disconnect();
}
