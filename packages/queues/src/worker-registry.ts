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
  /** Resident, of the host and its cores; absent: it does not tell. */
  readonly memoryBytes?: number;
}

/** A host with how long ago it was heard of, by the clock of Redis. */
export interface LiveWorker extends WorkerView {
  readonly ageMs: number;
  readonly drainAsked: boolean;
}

/** A host that has not drained by then was killed or cut off. */
const orderSeconds = 3_600;

const orderFor = ({ node, pid }: Pick<WorkerView, 'node' | 'pid'>): string => `drain ${node} ${pid}`;

export class WorkerRegistry {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #entryMs: number;

  constructor(parts: { redis: RedisClient; keys: Keys; times: LeaseTimes }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
    this.#entryMs = parts.times.workerEntryMs;
  }

  /** To be repeated every `workerBeatMs`. Answers whether an operator has asked this very process to drain. */
  async beat(view: WorkerView): Promise<{ readonly drain: boolean }> {
    await this.#redis.set(this.#keys.worker(view.worker), JSON.stringify(view), 'PX', this.#entryMs);
    await this.#redis.sadd(this.#keys.workers, view.worker);
    const order = await this.#redis.get(this.#keys.workerOrder(view.worker));
    return { drain: order === orderFor(view) };
  }

  /**
   * Asks a live host to drain; false when there is none of this id. It is heard with the next beat. The order is for one process: what is started under the
   * same name later does not hear it. No tenant's user of Redis may write it.
   */
  async askToDrain(worker: string): Promise<boolean> {
    const text = await this.#redis.get(this.#keys.worker(worker));
    if (text === null) return false;
    await this.#redis.set(this.#keys.workerOrder(worker), orderFor(JSON.parse(text) as WorkerView), 'EX', orderSeconds);
    return true;
  }

  async remove(worker: string): Promise<void> {
    await this.#redis.del(this.#keys.worker(worker), this.#keys.workerOrder(worker));
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

  /** The same with their ages, and whether an operator has asked this very process to drain. */
  async alive(): Promise<LiveWorker[]> {
    const views = await this.list();
    return Promise.all(
      views.map(async (view) => {
        const [leftMs, order] = await Promise.all([this.#redis.pttl(this.#keys.worker(view.worker)), this.#redis.get(this.#keys.workerOrder(view.worker))]);
        const ageMs = leftMs < 0 ? this.#entryMs : Math.max(0, this.#entryMs - leftMs);
        return { ...view, ageMs, drainAsked: order === orderFor(view) };
      }),
    );
  }

  /** Slots of live hosts of a pool that are not draining. */
  async slots(pool: string, resultVersion: number): Promise<number> {
    const views = await this.list();
    return views.filter((view) => view.pool === pool && view.resultVersion === resultVersion && !view.draining).reduce((sum, view) => sum + view.slots, 0);
  }
}
