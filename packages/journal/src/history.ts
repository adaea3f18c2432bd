/** What goes when a job's history is retired. What was submitted, what was asked of it and what came of it stay: job.json, commands, manifests. */
import type { JobId } from '@millrace/protocol';

import { commandsDir, jobDir, jobKey, manifestsDir } from './paths.ts';
import type { Store } from './store.ts';

/** Keys held in memory before they are removed: of a job with a million chunks there are millions. */
const atOnce = 10_000;

/** How many records were removed. Repeated after a kill it removes the rest. */
export async function removeHistory(store: Store, jobId: JobId): Promise<number> {
  let removed = 0;
  let keys: string[] = [];
  const flush = async (): Promise<void> => {
    await store.purgeAll(keys);
    removed += keys.length;
    keys = [];
  };
  for await (const { key } of store.list(jobDir(jobId))) {
    if (staysFor(jobId, key)) continue;
    keys.push(key);
    if (keys.length >= atOnce) await flush();
  }
  await flush();
  return removed;
}

/** Whether there is anything that `removeHistory` would remove. */
export async function hasHistory(store: Store, jobId: JobId): Promise<boolean> {
  for await (const { key } of store.list(jobDir(jobId), { fold: true })) if (!staysFor(jobId, key)) return true;
  return false;
}

const staysFor = (jobId: JobId, key: string): boolean => key === jobKey(jobId) || key.startsWith(commandsDir(jobId)) || key.startsWith(manifestsDir(jobId));
