/** The store verbs of the core for one connection and the scope `journal`: bytes under keys. Failures become `AppError` with the core's own code. */
import type { Answer, RequestInput, RequestOptions } from '@millrace/core-client';
import { classOf, type FailureCode, isFailureCode, maxListEntries, sha256Hex } from '@millrace/protocol';
import type { DoneOf, Failed, RequestType, Scope, StoreEntry } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';

/** A core process, or whatever picks a live one for each request. */
export interface CoreLike {
  request<Input extends RequestInput>(input: Input, options: RequestOptions): Promise<Answer<DoneOf[Input['type']]>>;
}

export interface StoreOptions {
  /** Name of the connection in the core's `Hello`. */
  readonly connection: string;
  /** For each request. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Of one request to delete, by its schema. */
const mostKeys = 1_000;

export class Store {
  readonly #core: CoreLike;
  readonly #options: StoreOptions;
  readonly #scope: Scope;

  constructor(core: CoreLike, options: StoreOptions) {
    this.#core = core;
    this.#options = options;
    this.#scope = { connection: options.connection, kind: 'journal', jobKey: null, specDigest: null };
  }

  /** Put-if-absent. `existing`: what stands there instead; of a lost put it may be our own bytes from a try whose answer was lost. */
  async create(key: string, bytes: Uint8Array): Promise<{ won: true } | { won: false; existing: Uint8Array }> {
    const { done, payload } = await this.#ask(
      { type: 'StorePut', scope: this.#scope, key, mode: 'create', ifMatch: null, sha256: sha256Hex(bytes) },
      key,
      bytes,
    );
    return done.outcome === 'won' ? { won: true } : { won: false, existing: payload };
  }

  /** Null: there is nothing. */
  async get(key: string): Promise<Uint8Array | null> {
    const { done, payload } = await this.#ask({ type: 'StoreGet', scope: this.#scope, key, range: null, ifMatch: null }, key);
    return done.object === null ? null : payload;
  }

  async exists(key: string): Promise<boolean> {
    const { done } = await this.#ask({ type: 'StoreStat', scope: this.#scope, key }, key);
    return done.object !== null;
  }

  /** Every entry below a prefix in byte order, page by page. `fold`: keys below the next `/` come as one entry that ends in it. */
  async *list(prefix: string, options: { fold?: boolean; startAfter?: string | null } = {}): AsyncGenerator<StoreEntry> {
    let startAfter = options.startAfter ?? null;
    for (;;) {
      const request = { type: 'StoreList', scope: this.#scope, prefix, startAfter, limit: maxListEntries, delimiter: options.fold ?? false } as const;
      const { done } = await this.#ask(request, prefix);
      yield* done.entries;
      const last = done.entries.at(-1);
      if (!done.more || last === undefined) return;
      startAfter = last.key;
    }
  }

  /** Deleting what is not there is fine; records that stand as long as their job are refused. */
  delete(key: string): Promise<void> {
    return this.#delete(key, false);
  }

  /** Deletes also what lies among the records of a job. */
  purge(key: string): Promise<void> {
    return this.#delete(key, true);
  }

  /** The same of many keys, in requests of a thousand. */
  async purgeAll(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += mostKeys) {
      const some = keys.slice(at, at + mostKeys);
      const { done } = await this.#ask({ type: 'StoreDelete', scope: this.#scope, keys: some, purge: true }, some[0] ?? '');
      const left = done.results.find(({ outcome }) => outcome !== 'deleted' && outcome !== 'absent');
      if (left !== undefined) throw new AppError('STORAGE_UNAVAILABLE', `cannot delete ${left.key}: ${left.outcome}`);
    }
  }

  async #delete(key: string, purge: boolean): Promise<void> {
    const { done } = await this.#ask({ type: 'StoreDelete', scope: this.#scope, keys: [key], purge }, key);
    const outcome = done.results[0]?.outcome;
    if (outcome === 'deleted' || outcome === 'absent') return;
    throw new AppError(outcome === 'failed' ? 'STORAGE_UNAVAILABLE' : 'INTERNAL', `cannot delete ${key}: ${outcome ?? 'no answer for it'}`);
  }

  async #ask<Input extends RequestInput & { type: RequestType }>(
    input: Input,
    key: string,
    payload?: Uint8Array,
  ): Promise<{ done: DoneOf[Input['type']]; payload: Uint8Array }> {
    const { deadlineMs, signal } = this.#options;
    const answer = await this.#core.request(input, { deadlineMs, ...(payload && { payload }), ...(signal && { signal }) });
    if (answer.failed === null) return { done: answer.done, payload: answer.payload };
    throw failedAs(input.type, key, answer.failed);
  }
}

function failedAs(verb: string, key: string, failed: Failed): AppError {
  const code: FailureCode = isFailureCode(failed.code) ? failed.code : 'INTERNAL';
  // `place`: what shuts out the journal is a fault of the installation, whatever the code says of who asked.
  const details = { place: 'journal', verb, key, class: classOf(code), causes: failed.causes };
  return new AppError(code, `cannot ${verb.replace('Store', '').toLowerCase()} ${key}: ${failed.message}`, { details });
}
