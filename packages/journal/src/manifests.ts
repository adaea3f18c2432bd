/** Manifests: the commit point of a generation. A second finisher loses and goes on by the state that stands there. */
import {
  encodeRecord,
  type JobId,
  type Manifest,
  type ManifestEntries,
  type ManifestList,
  type ManifestPage,
  type ManifestPageRef,
  manifestPageName,
  parseRecord,
  sha256Hex,
} from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { manifestKey, manifestPageKey, manifestsDir, parseNumberedKey } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

export function putManifest(store: Store, record: Manifest): Promise<Put<'manifest'>> {
  return putIfAbsent(store, 'manifest', manifestKey(record.jobId, record.generation), record);
}

export function readManifest(store: Store, jobId: JobId, generation: number): Promise<Stored<'manifest'> | null> {
  return readRecord(store, 'manifest', manifestKey(jobId, generation));
}

/** `number`: of this page among those of its list, from 0. The name has the digest: whoever puts the same page meets his own bytes. */
export async function putManifestPage(store: Store, page: ManifestPage, number: number): Promise<ManifestPageRef> {
  const bytes = encodeRecord('manifestPage', page);
  const digest = sha256Hex(bytes);
  const name = manifestPageName(page.list, number, digest);
  await store.create(manifestPageKey(page.jobId, page.generation, name), bytes);
  return { list: page.list, name, first: page.first, count: page.entries.length, digest };
}

/** Whose list it is, and where it stands. */
export type ManifestOf<List extends ManifestList = ManifestList> = Pick<Manifest, 'jobId' | 'generation' | 'pages' | List>;

/** The entries of a list in order, wherever they stand: one page in memory. */
export async function* listManifest<List extends ManifestList>(store: Store, manifest: ManifestOf<List>, list: List): AsyncGenerator<ManifestEntries[List]> {
  const inline: unknown = manifest[list];
  yield* inline as ManifestEntries[List][];
  yield* listPages(store, manifest, manifest.pages ?? [], list);
}

/** The first entries of a list. */
export async function firstOfManifest<List extends ManifestList>(
  store: Store,
  manifest: ManifestOf<List>,
  list: List,
  most: number,
): Promise<ManifestEntries[List][]> {
  const some: ManifestEntries[List][] = [];
  for await (const entry of listManifest(store, manifest, list)) if (some.push(entry) >= most) break;
  return some;
}

/** Those in pages alone. */
export async function* listPages<List extends ManifestList>(
  store: Store,
  of: Pick<Manifest, 'jobId' | 'generation'>,
  pages: readonly ManifestPageRef[],
  list: List,
): AsyncGenerator<ManifestEntries[List]> {
  for (const page of pages) {
    if (page.list !== list) continue;
    const entries: unknown = parseRecord('manifestPage', await readManifestPage(store, of, page)).entries;
    yield* entries as ManifestEntries[List][];
  }
}

/** The bytes of a page. Throws when it is gone or another. */
export async function readManifestPage(
  store: Store,
  { jobId, generation }: Pick<Manifest, 'jobId' | 'generation'>,
  page: ManifestPageRef,
): Promise<Uint8Array> {
  const key = manifestPageKey(jobId, generation, page.name);
  const bytes = await store.get(key);
  if (bytes === null) throw new AppError('JOURNAL_UNSAFE', `cannot read ${key}: a page that a manifest names is gone`);
  const digest = sha256Hex(bytes);
  if (digest !== page.digest) throw new AppError('JOURNAL_UNSAFE', `cannot read ${key}: expected digest ${page.digest}, got ${digest}`);
  return bytes;
}

/** Generations that ended, in order. */
export async function listManifests(store: Store, jobId: JobId): Promise<number[]> {
  const generations: number[] = [];
  // Pages lie in folders.
  for await (const entry of store.list(manifestsDir(jobId), { fold: true })) {
    const generation = parseNumberedKey(entry.key);
    if (generation !== null) generations.push(generation);
  }
  return generations.sort((a, b) => a - b);
}

/** Null: no generation ended yet. */
export async function readNewestManifest(store: Store, jobId: JobId): Promise<Stored<'manifest'> | null> {
  const newest = (await listManifests(store, jobId)).at(-1);
  return newest === undefined ? null : readManifest(store, jobId, newest);
}
