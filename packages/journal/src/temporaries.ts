/** Temporary files of writers that were killed: hidden from every listing, and nobody's once their job has ended. */
import type { JobId } from '@millrace/protocol';

import { jobDir, openDir, workDir } from './paths.ts';
import type { Store } from './store.ts';

const temporary = '.tmp-';
const atOnce = 1_000;

/** Exchange objects and whatever else a job kept while it ran; nothing may be left to redrive or replay. */
export async function removeWork(store: Store, jobId: JobId): Promise<void> {
  let keys: string[] = [];
  for await (const { key } of store.list(workDir(jobId))) {
    keys.push(key);
    if (keys.length < atOnce) continue;
    await store.purgeAll(keys);
    keys = [];
  }
  await store.purgeAll(keys);
}

/** Removes those in the folders of a job, and among the open markers, where anybody's may lie. A put that is still under way only begins anew. */
export async function removeTemporaries(store: Store, jobId: JobId): Promise<void> {
  for await (const folder of foldersOf(store, jobId)) {
    for await (const { key } of store.list(`${folder}${temporary}`)) await store.purge(key);
  }
}

async function* foldersOf(store: Store, jobId: JobId): AsyncGenerator<string> {
  yield openDir;
  const folders = [jobDir(jobId)];
  for (const folder of folders) {
    yield folder;
    // These have a record for each chunk and no folders: nobody goes through a million names for nothing.
    if (hasRecordsOfChunks(folder)) continue;
    for await (const { key } of store.list(folder, { fold: true })) if (key.endsWith('/')) folders.push(key);
  }
}

const hasRecordsOfChunks = (folder: string): boolean => /\/(?:verdicts|dead)\/[^/]+\/$/.test(folder);
