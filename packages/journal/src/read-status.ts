/** The status of a job by the journal alone. Of what ended the manifest says all: its plan, of perhaps a million chunks, is not read. */
import type { JobId, JobStatus } from '@millrace/protocol';

import { readCommands } from './commands.ts';
import { statusFromJournal, statusOfManifest } from './job-status.ts';
import { readJobRecord } from './jobs.ts';
import { readManifest } from './manifests.ts';
import { newestGeneration, readJob } from './read-job.ts';
import type { Store } from './store.ts';

/** Null: there is no such job. */
export async function readStatus(store: Store, jobId: JobId): Promise<JobStatus | null> {
  const stored = await readJobRecord(store, jobId);
  if (stored === null) return null;
  const manifest = await readManifest(store, jobId, newestGeneration(await readCommands(store, jobId)));
  if (manifest !== null) return statusOfManifest(stored.record, manifest.record);
  const view = await readJob(store, jobId);
  return view === null ? null : statusFromJournal(view);
}
