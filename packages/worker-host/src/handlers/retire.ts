/**
 * Removes what a job's retention has given up, which a command in its journal says already. The output that a completed generation published is not
 * touched. Every step may be repeated by anyone; the end is there when nothing is left.
 */
import type { LateSweep } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import type { Host } from '../host.ts';
import { OutputStore } from '../output-store.ts';
import { isPartOf, partFolders } from './job-parts.ts';

type Job = Awaited<ReturnType<typeof loadJob>>;

export async function retire(sweep: LateSweep, what: 'rejects' | 'history', host: Host): Promise<void> {
  const job = await loadJob(sweep, host);
  if (what === 'rejects') await job.output.delete(rejectsOf(job));
  if (what === 'history') {
    await job.output.delete(await unpublishedParts(job));
    await host.journal.removeHistory(sweep.jobId);
  }
  host.log.info({ jobId: sweep.jobId, what }, 'retired');
}

async function loadJob({ jobId, jobKey }: LateSweep, host: Host) {
  const record = await host.journal.readJobRecord(jobId);
  if (record === null) throw new AppError('JOURNAL_UNSAFE', `cannot retire ${jobId}: it has no job.json`);
  const manifests = await Promise.all((await host.journal.listManifests(jobId)).map((generation) => host.journal.readManifest(jobId, generation)));
  return {
    record: record.record,
    manifests: manifests.flatMap((stored) => (stored === null ? [] : [stored.record])),
    output: new OutputStore(host.store, record.record, jobKey),
  };
}

/** Of every generation: a later manifest names those of the earlier ones that still count. */
const rejectsOf = ({ manifests }: Job): string[] => [...new Set(manifests.flatMap(({ rejects }) => rejects.map(({ uri }) => uri)))];

/** What generations that failed or were cancelled wrote: kept for a redrive until now. */
async function unpublishedParts({ record, manifests, output }: Job): Promise<string[]> {
  const published = new Set(manifests.filter(({ state }) => state === 'completed').flatMap(({ parts }) => parts.map(({ uri }) => uri)));
  const found: string[] = [];
  for (const folder of await partFolders(record.spec, output)) {
    for await (const { key } of output.list(folder)) if (isPartOf(key, record.jobId, Number.POSITIVE_INFINITY) && !published.has(key)) found.push(key);
    for await (const { key } of output.list(folder, '.tmp-')) if (isPartOf(key, record.jobId, Number.POSITIVE_INFINITY)) found.push(key);
  }
  return found;
}
