/** Which worker hosts are alive: each writes its own entry again and again; an entry that is not renewed goes by itself. */
import type { LeaseTimes } from '@millrace/protocol';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface WorkerView {
  readonly worker: string;
  readonly pool: string;
  readonly resultVersion: number;
  readonly coreVersion: string;
  readonly slots: number;
  readonly busy: number;
  readonly draining: boolean;
  readonly pod: string | null;
  readonly node: string;
  readonly pid: number;
}

export class WorkerRegistry {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #entryMs: number;

  constructor(parts: { redis: RedisClient; keys: Keys; times: LeaseTimes }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
    this.#entryMs = parts.times.workerEntryMs;
  }

  /** To be repeated every `workerBeatMs`. */
  async beat(view: WorkerView): Promise<void> {
    await this.#redis.set(this.#keys.worker(view.worker), JSON.stringify(view), 'PX', this.#entryMs);
    await this.#redis.sadd(this.#keys.workers, view.worker);
  }

  async remove(worker: string): Promise<void> {
    await this.#redis.del(this.#keys.worker(worker));
    await this.#redis.srem(this.#keys.workers, worker);
  }

  /** Those alive, by id. */
  async list(): Promise<WorkerView[]> {
    const ids = (await this.#redis.smembers(this.#keys.workers)).sort();
    if (ids.length === 0) return [];
    const texts = await this.#redis.mget(ids.map((id) => this.#keys.worker(id)));
    const gone = ids.filter((_, index) => (texts[index] ?? null) === null);
    if (gone.length > 0) await this.#redis.srem(this.#keys.workers, ...gone);
    return texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as WorkerView]));
  }

  /** Slots of live hosts of a pool that are not draining. */
  async slots(pool: string, resultVersion: number): Promise<number> {
    const views = await this.list();
    return views.filter((view) => view.pool === pool && view.resultVersion === resultVersion && !view.draining).reduce((sum, view) => sum + view.slots, 0);
  }
}
