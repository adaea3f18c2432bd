/** Circuits of stores, as the leader keeps them: text by store, with the clock of Redis, which all schedulers share. */
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

/** A circuit that nobody has touched for so long is closed again. */
const keepSeconds = 3_600;

export class CircuitStates {
  readonly #redis: RedisClient;
  readonly #keys: Keys;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
  }

  async load(): Promise<{ readonly nowMs: number; readonly entries: Readonly<Record<string, string>> }> {
    const [time, entries] = await Promise.all([this.#redis.time(), this.#redis.hgetall(this.#keys.circuits)]);
    return { nowMs: Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000), entries };
  }

  async save(store: string, text: string): Promise<void> {
    await this.#redis.hset(this.#keys.circuits, store, text);
    await this.#redis.expire(this.#keys.circuits, keepSeconds);
  }
}
