/**
 * What hosts clean up beside their work. Generations that have ended and are looked at once more when none of their attempts can be alive any more: what woke up late may have left parts. Due by the
 * clock of Redis. Not part of the ledger and not rebuilt: a loss costs some orphans their removal, which the next finish
 * of the job makes good. And what retention removes, which the leading scheduler says again for as long as something is left.
 */
import type { JobId } from '@millrace/protocol';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface LateSweep {
  readonly jobId: JobId;
  readonly generation: number;
  readonly tenant: string;
  readonly jobKey: string;
  readonly specDigest: string;
  /** What is to be removed for good; absent: only what attempts that woke up late have left. */
  readonly retires?: 'rejects' | 'history';
}

const now = `local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)`;
const add = `${now} return redis.call('ZADD', KEYS[1], 'NX', now + ARGV[1], ARGV[2])`;
/** Who takes one has it alone for a while; who dies over it leaves it to the next. */
const claim = `${now}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)
if not due[1] then return false end
redis.call('ZADD', KEYS[1], 'XX', now + ARGV[1], due[1])
return due[1]
`;

export class LateSweeps {
  readonly #redis: RedisClient;
  readonly #key: string;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#key = parts.keys.sweeps;
  }

  /** Once per generation, however often it is said. */
  async add(sweep: LateSweep, inMs: number): Promise<void> {
    await this.#redis.eval(add, 1, this.#key, Math.ceil(inMs), memberOf(sweep));
  }

  /** One that is due, or null. It comes back after `againMs` unless it is reported done. */
  async claim(againMs: number): Promise<LateSweep | null> {
    const member = (await this.#redis.eval(claim, 1, this.#key, Math.ceil(againMs))) as string | null;
    return member === null ? null : (JSON.parse(member) as LateSweep);
  }

  async done(sweep: LateSweep): Promise<void> {
    await this.#redis.zrem(this.#key, memberOf(sweep));
  }
}

/** The same text for the same generation, whoever writes it. */
const memberOf = ({ jobId, generation, tenant, jobKey, specDigest, retires }: LateSweep): string =>
  JSON.stringify({ jobId, generation, tenant, jobKey, specDigest, ...(retires === undefined ? {} : { retires }) });
