/** The output place of a job, through a core: only below the prefixes of that job, which the core holds every request to. */
import type { CoreLike } from '@millrace/journal';
import { isFailureCode, type JobRecord, sha256Hex } from '@millrace/protocol';
import type { Failed, PutMode, PutOutcome, Scope, StoreEntry, StoreListDone } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';

/** The connection for local files, by URI. */
const CONNECTION = 'files';
const DEADLINE_MS = 60_000;
const PAGE = 1_000;

export class OutputStore {
  readonly #core: CoreLike;
  readonly #scope: Scope;

  constructor(core: CoreLike, job: Pick<JobRecord, 'specDigest'>, jobKey: string) {
    this.#core = core;
    this.#scope = { connection: CONNECTION, kind: 'output', jobKey, specDigest: job.specDigest };
  }

  /** Size in bytes, or null when there is nothing. */
  async size(uri: string): Promise<number | null> {
    const answer = await this.#core.request({ type: 'StoreStat', scope: this.#scope, key: uri }, { deadlineMs: DEADLINE_MS });
    if (answer.failed !== null) throw storeError('look at', uri, answer.failed);
    return answer.done.object?.size ?? null;
  }

  /** What lies directly in a folder, whose URI ends in `/`; `start` is how the names begin. Temporary files are hidden unless `start` says `.tmp-`. */
  async *list(folder: string, start = ''): AsyncGenerator<StoreEntry> {
    for await (const entry of this.#entries(`${folder}${start}`)) if (!entry.key.endsWith('/')) yield entry;
  }

  /** The folders directly in a folder, each ending in `/`, as URIs. */
  async *listFolders(folder: string): AsyncGenerator<string> {
    for await (const { key } of this.#entries(folder)) if (key.endsWith('/')) yield key;
  }

  async *#entries(prefix: string): AsyncGenerator<StoreEntry> {
    for (let startAfter: string | null = null; ; ) {
      const page = await this.#page(prefix, startAfter);
      yield* page.entries;
      startAfter = page.entries.at(-1)?.key ?? null;
      if (!page.more || startAfter === null) return;
    }
  }

  async #page(prefix: string, startAfter: string | null): Promise<StoreListDone> {
    const request = { type: 'StoreList', scope: this.#scope, prefix, startAfter, limit: PAGE, delimiter: true } as const;
    const answer = await this.#core.request(request, { deadlineMs: DEADLINE_MS });
    if (answer.failed !== null) throw storeError('list', prefix, answer.failed);
    return answer.done;
  }

  /** What is absent already is fine. */
  async delete(uris: readonly string[]): Promise<void> {
    for (let at = 0; at < uris.length; at += PAGE) {
      const keys = uris.slice(at, at + PAGE);
      const answer = await this.#core.request({ type: 'StoreDelete', scope: this.#scope, keys, purge: false }, { deadlineMs: DEADLINE_MS });
      if (answer.failed !== null) throw storeError('delete', keys[0] ?? '', answer.failed);
      const refused = answer.done.results.find(({ outcome }) => outcome === 'refused' || outcome === 'failed');
      if (refused !== undefined) throw new AppError('STORAGE_UNAVAILABLE', `cannot delete ${refused.key}: ${refused.outcome}`);
    }
  }

  async get(uri: string): Promise<{ readonly bytes: Uint8Array; readonly etag: string } | null> {
    const answer = await this.#core.request({ type: 'StoreGet', scope: this.#scope, key: uri, range: null, ifMatch: null }, { deadlineMs: DEADLINE_MS });
    if (answer.failed !== null) throw storeError('read', uri, answer.failed);
    return answer.done.object === null ? null : { bytes: answer.payload, etag: answer.done.object.etag };
  }

  async overwrite(uri: string, bytes: Uint8Array): Promise<void> {
    await this.#put(uri, bytes, 'overwrite', null);
  }

  /** Puts over the version with this etag, or where nothing stands when it is null. False: something else stands there now. */
  async exchange(uri: string, bytes: Uint8Array, etag: string | null): Promise<boolean> {
    return (await this.#put(uri, bytes, etag === null ? 'create' : 'replace', etag)) === 'won';
  }

  async #put(uri: string, bytes: Uint8Array, mode: PutMode, ifMatch: string | null): Promise<PutOutcome> {
    const request = { type: 'StorePut', scope: this.#scope, key: uri, mode, ifMatch, sha256: sha256Hex(bytes) } as const;
    const answer = await this.#core.request(request, { deadlineMs: DEADLINE_MS, payload: bytes });
    if (answer.failed !== null) throw storeError('write', uri, answer.failed);
    return answer.done.outcome;
  }
}

function storeError(verb: string, uri: string, failed: Failed): AppError {
  const code = isFailureCode(failed.code) ? failed.code : 'INTERNAL';
  return new AppError(code, `cannot ${verb} ${uri}: ${failed.message}`, { details: { class: failed.class } });
}
