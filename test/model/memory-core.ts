/**
 * The store verbs of a core over a map: what the journal and the output of the walks lie in. A process may die in the middle of whatever it does: after so
 * many requests nothing reaches the store any more, and whoever asks hears nothing but that.
 */
import { createHash } from 'node:crypto';
import type { Answer, RequestInput } from '@millrace/core-client';
import type { CoreLike } from '@millrace/journal';
import type { DoneOf, StoredObject, StoreEntry, StoreList, StorePut } from '@millrace/protocol/wire';

export class Died extends Error {
  override readonly name = 'Died';
}

type Input<Type extends RequestInput['type']> = Extract<RequestInput, { type: Type }>;

export class MemoryCore implements CoreLike {
  readonly objects = new Map<string, Uint8Array>();
  /** Told of each object that was put, before anything else happens. */
  onPut: (key: string, bytes: Uint8Array) => void = () => {};
  onDelete: (key: string) => void = () => {};
  #left = Number.POSITIVE_INFINITY;

  /** Whoever asks from now on dies after so many requests. */
  dieAfter(requests: number): void {
    this.#left = requests;
  }

  async request<Asked extends RequestInput>(input: Asked, options: { readonly payload?: Uint8Array }): Promise<Answer<DoneOf[Asked['type']]>> {
    if (this.#left <= 0) throw new Died('the process died');
    this.#left -= 1;
    const { done, payload = new Uint8Array(0) } = this.#answer(input, options.payload ?? new Uint8Array(0));
    return { failed: null, done, payload } as unknown as Answer<DoneOf[Asked['type']]>;
  }

  #answer(input: RequestInput, bytes: Uint8Array): { done: DoneOf[keyof DoneOf]; payload?: Uint8Array } {
    switch (input.type) {
      case 'StorePut':
        return this.#put(input, bytes);
      case 'StoreGet': {
        const found = this.objects.get(input.key);
        return { done: { type: 'StoreGetDone', object: objectOf(found) }, ...(found && { payload: found }) };
      }
      case 'StoreStat':
        return { done: { type: 'StoreStatDone', object: objectOf(this.objects.get(input.key)) } };
      case 'StoreList':
        return { done: this.#list(input) };
      case 'StoreDelete': {
        const results = input.keys.map((key) => {
          const isThere = this.objects.delete(key);
          if (isThere) this.onDelete(key);
          return { key, outcome: isThere ? 'deleted' : 'absent' } as const;
        });
        return { done: { type: 'StoreDeleteDone', results } };
      }
      default:
        throw new TypeError(`expected a store verb, got ${input.type}`);
    }
  }

  #put({ key, mode, ifMatch }: Input<'StorePut'> | StorePut, bytes: Uint8Array): { done: DoneOf['StorePut']; payload?: Uint8Array } {
    const standing = this.objects.get(key);
    const isLost = (mode === 'create' && standing !== undefined) || (mode === 'replace' && (standing === undefined || etagOf(standing) !== ifMatch));
    if (isLost) return { done: { type: 'StorePutDone', outcome: 'lost', etag: etagOf(standing ?? bytes) }, payload: standing ?? bytes };
    this.objects.set(key, Uint8Array.from(bytes));
    this.onPut(key, bytes);
    return { done: { type: 'StorePutDone', outcome: 'won', etag: etagOf(bytes) } };
  }

  #list({ prefix, startAfter, limit, delimiter }: Input<'StoreList'> | StoreList): DoneOf['StoreList'] {
    const entries = new Map<string, StoreEntry>();
    for (const key of [...this.objects.keys()].sort()) {
      if (!key.startsWith(prefix) || (startAfter !== null && key <= startAfter)) continue;
      const cut = delimiter ? key.indexOf('/', prefix.length) : -1;
      const name = cut < 0 ? key : key.slice(0, cut + 1);
      if (startAfter !== null && name <= startAfter) continue;
      entries.set(name, cut < 0 ? { key, ...(objectOf(this.objects.get(key)) as StoredObject) } : { key: name, size: 0, etag: '', modifiedAtMs: 0 });
      if (entries.size > limit) break;
    }
    return { type: 'StoreListDone', entries: [...entries.values()].slice(0, limit), more: entries.size > limit };
  }
}

const etagOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 32);

const objectOf = (bytes: Uint8Array | undefined): StoredObject | null =>
  bytes === undefined ? null : { etag: etagOf(bytes), size: bytes.length, modifiedAtMs: 0 };
