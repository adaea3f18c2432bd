/**
 * One core per slot. Whoever leases a core has it alone; on its return it is kept, or replaced when it died, panicked, grew or grew old. Replacement
 * waits for the old process's end, so that a slot never has two.
 */
import type { CoreLog } from './core-log.ts';
import type { CoreProcess } from './core-process.ts';

export interface CorePoolOptions {
  readonly slots: number;
  /** Starts the core of a slot, numbered from 0. */
  start(slot: number): Promise<CoreProcess>;
  readonly log: CoreLog;
  /** Evenly spread over [0, 1). Spreads replacement by ±20 %, so that a host's cores are not all replaced at once. */
  random(): number;
  /** A clock that never goes back. Defaults to the process's. */
  nowMs?(): number;
  /** Leases after which a core is replaced. Defaults to 1,000. */
  readonly maxLeases?: number;
  /** Age at which a core is replaced. Defaults to one hour. */
  readonly maxAgeMs?: number;
  /** Growth over the first lease's resident size at which a core is replaced. Defaults to 1.5. */
  readonly maxGrowth?: number;
  /** A first lease smaller than this counts as this large: what chunks take at most, or a core that began with a small one is replaced behind
   * the first large one. Defaults to 256 MiB. */
  readonly usualBytes?: number;
}

export interface CoreLease {
  readonly slot: number;
  readonly core: CoreProcess;
  /** Gives the core back; a second call does nothing. `rssBytes` is its resident size after the work, where known. */
  release(after?: { readonly rssBytes?: number; readonly replace?: boolean }): void;
}

interface Slot {
  readonly number: number;
  core: CoreProcess | null;
  leases: number;
  maxLeases: number;
  replaceAtMs: number;
  firstRssBytes: number | null;
  maxGrowth: number;
}

interface Waiting {
  resolve(slot: Slot): void;
  reject(error: Error): void;
}

/** What a map chunk may hold resident at default settings. */
const USUAL_BYTES = 256 << 20;

export class CorePool {
  readonly #options: CorePoolOptions;
  readonly #nowMs: () => number;
  readonly #slots: readonly Slot[];
  readonly #free: Slot[];
  readonly #waiting: Waiting[] = [];
  readonly #ending = new Set<Promise<unknown>>();
  #isStopped = false;

  constructor(options: CorePoolOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#slots = Array.from({ length: options.slots }, (_, number) => ({
      number,
      core: null,
      leases: 0,
      maxLeases: 0,
      replaceAtMs: 0,
      firstRssBytes: null,
      maxGrowth: 0,
    }));
    this.#free = [...this.#slots];
  }

  /** Starts the core of every slot, so that a host that cannot is known before it takes work. Rejects with the first one's error. */
  async start(): Promise<void> {
    const started = await Promise.allSettled(this.#slots.map((slot) => this.#coreOf(slot)));
    const failed = started.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      await this.stop();
      throw failed.reason;
    }
  }

  /** A core for the caller alone, as soon as a slot is free. Rejects when the pool stops, the signal aborts, or the slot's core does not start. */
  async lease(signal?: AbortSignal): Promise<CoreLease> {
    const slot = await this.#takeSlot(signal);
    try {
      const core = await this.#coreOf(slot);
      return this.#leaseOf(slot, core);
    } catch (error) {
      this.#giveBack(slot);
      throw error;
    }
  }

  /** Slots whose core lives, for gauges. */
  get liveCores(): number {
    return this.#slots.filter((slot) => slot.core?.isAlive).length;
  }

  /** Ends all cores, also leased ones, and waits for their ends. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error('cannot lease a core: the pool is stopped'));
    for (const slot of this.#slots) this.#end(slot);
    while (this.#ending.size > 0) await Promise.all(this.#ending);
  }

  #takeSlot(signal: AbortSignal | undefined): Promise<Slot> {
    if (this.#isStopped) return Promise.reject(new Error('cannot lease a core: the pool is stopped'));
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const free = this.#free.shift();
    if (free !== undefined) return Promise.resolve(free);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason);
      };
      const settled = (settle: () => void): void => {
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const waiting: Waiting = { resolve: (slot) => settled(() => resolve(slot)), reject: (error) => settled(() => reject(error)) };
      this.#waiting.push(waiting);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The slot's core, if it may go on; else a fresh one. */
  async #coreOf(slot: Slot): Promise<CoreProcess> {
    const { core } = slot;
    if (core !== null && !this.#mustReplace(slot, core)) return core;
    if (core !== null) await this.#end(slot);
    const fresh = await this.#options.start(slot.number);
    Object.assign(slot, { core: fresh, leases: 0, firstRssBytes: null, ...this.#limits() });
    if (this.#isStopped) {
      await this.#end(slot);
      throw new Error('cannot lease a core: the pool is stopped');
    }
    return fresh;
  }

  #limits(): Pick<Slot, 'maxLeases' | 'replaceAtMs' | 'maxGrowth'> {
    const { maxLeases = 1000, maxAgeMs = 3_600_000, maxGrowth = 1.5 } = this.#options;
    const jitter = 0.8 + 0.4 * this.#options.random();
    return { maxLeases: Math.max(1, Math.round(maxLeases * jitter)), replaceAtMs: this.#nowMs() + maxAgeMs * jitter, maxGrowth: 1 + (maxGrowth - 1) * jitter };
  }

  #mustReplace(slot: Slot, core: CoreProcess): boolean {
    return !core.isAlive || core.isSpent || slot.leases >= slot.maxLeases || this.#nowMs() >= slot.replaceAtMs;
  }

  #leaseOf(slot: Slot, core: CoreProcess): CoreLease {
    let isReleased = false;
    slot.leases += 1;
    return {
      slot: slot.number,
      core,
      release: (after = {}) => {
        if (isReleased) return;
        isReleased = true;
        if (after.replace === true || this.#hasGrown(slot, after.rssBytes) || this.#mustReplace(slot, core)) {
          this.#options.log.debug({ slot: slot.number, pid: core.pid, leases: slot.leases }, 'core replaced');
          void this.#end(slot);
        }
        this.#giveBack(slot);
      },
    };
  }

  #hasGrown(slot: Slot, rssBytes: number | undefined): boolean {
    if (rssBytes === undefined) return false;
    const { usualBytes = USUAL_BYTES } = this.#options;
    slot.firstRssBytes ??= Math.max(rssBytes, usualBytes);
    return rssBytes > slot.firstRssBytes * slot.maxGrowth;
  }

  #giveBack(slot: Slot): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#free.push(slot);
    else waiting.resolve(slot);
  }

  /** Ends the slot's core, if it has one, and takes it out of the slot when it is gone. */
  #end(slot: Slot): Promise<unknown> {
    const { core } = slot;
    if (core === null) return Promise.resolve();
    const ending = core.stop().finally(() => {
      this.#ending.delete(ending);
      if (slot.core === core) slot.core = null;
    });
    this.#ending.add(ending);
    return ending;
  }
}
