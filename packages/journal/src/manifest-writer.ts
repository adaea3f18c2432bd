/**
 * The lists of a manifest while they come: in memory as long as they fit into it, else in pages that are put before it. So a finish of a job with very
 * many parts holds one page of each list.
 */
import type { JobId, ManifestEntries, ManifestList, ManifestPage, ManifestPageRef } from '@millrace/protocol';
import { manifestLists } from '@millrace/protocol';

import { listPages, putManifestPage } from './manifests.ts';
import type { Store } from './store.ts';

export interface PageSize {
  readonly entries: number;
  /** Of the entries as JSON; a page is a record of at most 8 MiB. */
  readonly bytes: number;
}

const usualPage: PageSize = { entries: 10_000, bytes: 4 << 20 };

interface Held {
  entries: unknown[];
  bytes: number;
  /** Entries in pages. */
  first: number;
  pages: number;
}

/** What goes into the manifest. */
export type WrittenLists = { readonly [List in ManifestList]: ManifestEntries[List][] } & { readonly pages?: ManifestPageRef[] };

export class ManifestWriter {
  readonly #store: Store;
  readonly #of: { readonly jobId: JobId; readonly generation: number };
  readonly #page: PageSize;
  readonly #held = new Map<ManifestList, Held>(manifestLists.map((list) => [list, { entries: [], bytes: 0, first: 0, pages: 0 }]));
  readonly #pages: ManifestPageRef[] = [];

  constructor(store: Store, of: { readonly jobId: JobId; readonly generation: number }, page: PageSize = usualPage) {
    this.#store = store;
    this.#of = of;
    this.#page = page;
  }

  async add<List extends ManifestList>(list: List, entries: readonly ManifestEntries[List][]): Promise<void> {
    const held = this.#heldOf(list);
    for (const entry of entries) {
      const bytes = Buffer.byteLength(JSON.stringify(entry)) + 1;
      if (held.entries.length >= this.#page.entries || (held.entries.length > 0 && held.bytes + bytes > this.#page.bytes)) await this.#put(list, held);
      held.entries.push(entry);
      held.bytes += bytes;
    }
  }

  /** What was added to a list so far, in order. */
  async *list<List extends ManifestList>(list: List): AsyncGenerator<ManifestEntries[List]> {
    yield* listPages(this.#store, this.#of, this.#pages, list);
    yield* this.#heldOf(list).entries as ManifestEntries[List][];
  }

  /** Puts the last pages, or none where all fits into the manifest. `without`: a list that is not to be in it after all. */
  async end(without: readonly ManifestList[] = []): Promise<WrittenLists> {
    for (const list of without) this.#held.set(list, { entries: [], bytes: 0, first: 0, pages: 0 });
    const pages = (): ManifestPageRef[] => this.#pages.filter(({ list }) => !without.includes(list));
    const sum = (of: (held: Held) => number): number => [...this.#held.values()].reduce((total, held) => total + of(held), 0);
    const fits = pages().length === 0 && sum(({ entries }) => entries.length) <= this.#page.entries && sum(({ bytes }) => bytes) <= this.#page.bytes;
    if (!fits) for (const [list, held] of this.#held) if (held.entries.length > 0) await this.#put(list, held);
    const entriesOf = <List extends ManifestList>(list: List): ManifestEntries[List][] => this.#heldOf(list).entries as ManifestEntries[List][];
    const lists = { files: entriesOf('files'), parts: entriesOf('parts'), rejects: entriesOf('rejects'), gaps: entriesOf('gaps') };
    return fits ? lists : { ...lists, pages: pages() };
  }

  async #put(list: ManifestList, held: Held): Promise<void> {
    const page = { record: 'manifestPage', version: 1, ...this.#of, list, first: held.first, entries: held.entries } as ManifestPage;
    this.#pages.push(await putManifestPage(this.#store, page, held.pages));
    held.first += held.entries.length;
    held.pages += 1;
    held.entries = [];
    held.bytes = 0;
  }

  #heldOf(list: ManifestList): Held {
    const held = this.#held.get(list);
    if (held === undefined) throw new RangeError(`a manifest has no list ${list}`);
    return held;
  }
}
