/** Temporary files of writers that were killed: hidden from every listing, and nobody's once their job has ended. */
import type { JobId } from '@millrace/protocol';

import { jobDir, openDir, workDir } from './paths.ts';
import type { Store } from './store.ts';

const temporary = '.tmp-';

/** Exchange objects and whatever else a job kept while it ran; nothing may be left to redrive or replay. */
export async function removeWork(store: Store, jobId: JobId): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of store.list(workDir(jobId))) keys.push(key);
  for (const key of keys) await store.purge(key);
}

/** Removes those in the folders of a job, and among the open markers, where anybody's may lie. A put that is still under way only begins anew. */
export async function removeTemporaries(store: Store, jobId: JobId): Promise<void> {
  const folders = new Set<string>([openDir]);
  for await (const { key } of store.list(jobDir(jobId))) folders.add(key.slice(0, key.lastIndexOf('/') + 1));
  for (const folder of folders) {
    for await (const { key } of store.list(`${folder}${temporary}`)) await store.purge(key);
  }
}
