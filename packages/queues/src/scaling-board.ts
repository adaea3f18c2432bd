/** What each pool wants, as the leading scheduler last computed it, and what it wanted before. A view: it is computed anew every two seconds. */
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

const keepSeconds = 60;
/** A pool that nobody has spoken of for so long is none any more. */
const forgetPoolMs = 86_400_000;
const keepDecisionsSeconds = 7 * 86_400;
const shownDecisions = 20;

/** A document with its age by the clock of Redis. */
export interface Posted {
  readonly ageMs: number;
  readonly text: string;
}

export class ScalingBoard {
  readonly #redis: RedisClient;
  readonly #keys: Keys;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
  }

  async post(pool: string, text: string): Promise<void> {
    const nowMs = await this.#nowMs();
    await this.#redis.set(this.#keys.scaling(pool), JSON.stringify({ atMs: nowMs, text }), 'EX', keepSeconds);
    await this.#redis.zadd(this.#keys.scalingPools, nowMs, pool);
    await this.#redis.zremrangebyscore(this.#keys.scalingPools, '-inf', String(nowMs - forgetPoolMs));
  }

  /** Null: nobody has said anything about the pool within a minute. */
  async read(pool: string): Promise<Posted | null> {
    const [nowMs, found] = await Promise.all([this.#nowMs(), this.#redis.get(this.#keys.scaling(pool))]);
    if (found === null) return null;
    const { atMs, text } = JSON.parse(found) as { atMs: number; text: string };
    return { ageMs: Math.max(0, nowMs - atMs), text };
  }

  /** Pools that were spoken of within a day, by name. */
  async pools(): Promise<string[]> {
    return (await this.#redis.zrange(this.#keys.scalingPools, '0', '-1')).sort();
  }

  /** Keeps the newest twenty. */
  async noteDecision(pool: string, text: string): Promise<void> {
    const key = this.#keys.scalingDecisions(pool);
    await this.#redis.lpush(key, text);
    await this.#redis.ltrim(key, 0, shownDecisions - 1);
    await this.#redis.expire(key, keepDecisionsSeconds);
  }

  /** Newest first. */
  async decisions(pool: string): Promise<string[]> {
    return this.#redis.lrange(this.#keys.scalingDecisions(pool), 0, shownDecisions - 1);
  }

  async #nowMs(): Promise<number> {
    const [seconds, micros] = await this.#redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  }
}
