/**
 * Runs the ledger's scripts: knows the epoch, sends a script by its digest, and asks again once when the epoch has changed in between.
 * A ledger whose epoch is unknown is never read as empty: it throws `EpochUnknownError`.
 */
import { createHash } from 'node:crypto';
import type { JobKeys, Keys } from './keys.ts';
import { type BatchScript, ledgerScripts, type ScriptName, type SingleScript } from './ledger-scripts.ts';
import type { RedisClient } from './redis.ts';
import { seriesKinds, waitBase } from './series-steps.ts';

/** Redis holds no sentinel: it was lost or never filled, and the leading scheduler has not begun a new epoch yet. */
export class EpochUnknownError extends Error {
  override readonly name = 'EpochUnknownError';
  readonly code = 'LEDGER_REBUILDING';
  constructor() {
    super('cannot use the ledger: its epoch is unknown, a rebuild has not begun');
  }
}

const knownJobs = 256;
const digests = new Map<ScriptName, string>();

export class LedgerClient {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly #known = new Map<string, JobKeys>();
  #epoch: string | null = null;

  constructor(redis: RedisClient, keys: Keys) {
    this.redis = redis;
    this.keys = keys;
  }

  /** The epoch in Redis, asked anew when it is not known here. */
  async epoch(): Promise<string> {
    this.#epoch ??= await this.redis.hget(this.keys.sentinel, 'epoch');
    if (this.#epoch === null) throw new EpochUnknownError();
    return this.#epoch;
  }

  forgetEpoch(): void {
    this.#epoch = null;
  }

  /** Runs a script on the keys of one job and, if it has one, of one chunk. */
  async run(script: SingleScript, jobId: string, chunkId: string | null, args: object | ((epoch: string) => object)): Promise<unknown> {
    return this.inEpoch((epoch) => {
      const keys = [...this.#jobKeys(epoch, jobId)];
      if (chunkId !== null) keys.push(this.keys.chunk(epoch, chunkId));
      const own = typeof args === 'function' ? args(epoch) : args;
      const full = {
        jobId,
        chunkPrefix: this.keys.chunkPrefix(epoch),
        rejectedChunks: this.keys.rejectedChunks(epoch, jobId),
        trouble: this.#troubleKeys(epoch, jobId),
        series: this.#seriesKeys(),
        ...(chunkId === null ? {} : { chunkId }),
        ...own,
      };
      return this.#evaluate(script, keys, [epoch, JSON.stringify(full)]);
    });
  }

  /** Runs a script on several chunks of one job. */
  async runBatch(script: BatchScript, jobId: string, items: readonly { readonly id: string }[]): Promise<unknown> {
    return this.inEpoch((epoch) => {
      const prefix = this.keys.chunkPrefix(epoch);
      const keys = [...this.#jobKeys(epoch, jobId)];
      for (const { id } of items) keys.push(prefix + id);
      const rejectedChunks = this.keys.rejectedChunks(epoch, jobId);
      const others = script === 'markCommitted' ? { trouble: this.#troubleKeys(epoch, jobId), rejectedChunks } : {};
      return this.#evaluate(script, keys, [epoch, JSON.stringify({ items, ...others, series: this.#seriesKeys() })]);
    });
  }

  /** Spelled once: a job has thousands of calls. */
  #jobKeys(epoch: string, jobId: string): JobKeys {
    const name = `${epoch}.${jobId}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    if (this.#known.size >= knownJobs) this.#known.clear();
    const keys = this.keys.job(epoch, jobId);
    this.#known.set(name, keys);
    return keys;
  }

  #seriesKeys() {
    return { prefix: this.keys.seriesPrefix, tenants: this.keys.seriesTenants, kinds: seriesKinds, waitBase };
  }

  #troubleKeys(epoch: string, jobId: string) {
    const { keys } = this;
    return { groups: keys.groups(epoch, jobId), counted: keys.countedFailures(epoch, jobId), troubled: keys.troubled(epoch) };
  }

  /** `read` with the epoch known; once more with the new one when it turns out to be over. */
  async inEpoch<Result>(read: (epoch: string) => Promise<Result>): Promise<Result> {
    try {
      return await read(await this.epoch());
    } catch (error) {
      if (!isEpochRefusal(error)) throw error;
      this.forgetEpoch();
      return read(await this.epoch());
    }
  }

  async #evaluate(script: ScriptName, keys: string[], args: string[]): Promise<unknown> {
    const text = ledgerScripts[script];
    let digest = digests.get(script);
    if (digest === undefined) {
      digest = createHash('sha1').update(text).digest('hex');
      digests.set(script, digest);
    }
    try {
      return await this.redis.evalsha(digest, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return this.redis.eval(text, keys.length, ...keys, ...args);
    }
  }
}

function isEpochRefusal(error: unknown): boolean {
  return error instanceof Error && error.message.includes('EPOCH is another one');
}
