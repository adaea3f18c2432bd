/** How people set queues, as the leading scheduler and the api see it in Redis. The registry has the truth; the leader writes it here again and again. */
import type { QueueSetting } from '@millrace/protocol';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export class QueueSettings {
  readonly #redis: RedisClient;
  readonly #keys: Keys;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
  }

  /** By name of the queue; a queue without one is as it was made. */
  async all(): Promise<ReadonlyMap<string, QueueSetting>> {
    const fields = await this.#redis.hgetall(this.#keys.queueSettings);
    return new Map(Object.entries(fields).map(([queue, text]) => [queue, JSON.parse(text) as QueueSetting]));
  }

  async put(setting: QueueSetting): Promise<void> {
    await this.#redis.hset(this.#keys.queueSettings, setting.queue, JSON.stringify(setting));
  }
}
