/** Manifests: the commit point of a generation. A second finisher loses and goes on by the state that stands there. */
import type { JobId, Manifest } from '@millrace/protocol';

import { manifestKey, manifestsDir, parseNumberedKey } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

export function putManifest(store: Store, record: Manifest): Promise<Put<'manifest'>> {
  return putIfAbsent(store, 'manifest', manifestKey(record.jobId, record.generation), record);
}

export function readManifest(store: Store, jobId: JobId, generation: number): Promise<Stored<'manifest'> | null> {
  return readRecord(store, 'manifest', manifestKey(jobId, generation));
}

/** Generations that ended, in order. */
export async function listManifests(store: Store, jobId: JobId): Promise<number[]> {
  const generations: number[] = [];
  for await (const entry of store.list(manifestsDir(jobId))) {
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
