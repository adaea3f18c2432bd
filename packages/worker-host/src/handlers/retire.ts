/**
 * Removes what a job's retention has given up, which a command in its journal says already. The output that a completed generation published is not
 * touched. Every step may be repeated by anyone; the end is there when nothing is left.
 */
import type { Manifest } from '@millrace/protocol';
import type { LateSweep } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import type { Host } from '../host.ts';
import { OutputStore } from '../output-store.ts';
import { isPartOf, partFolders } from './job-parts.ts';
import { NamedParts } from './named-parts.ts';

/** Files deleted by one request. */
const AT_ONCE = 1_000;

type Job = Awaited<ReturnType<typeof loadJob>>;

export async function retire(sweep: LateSweep, what: 'rejects' | 'history', host: Host): Promise<void> {
  const job = await loadJob(sweep, host);
  if (what === 'rejects') await deleteRejects(job);
  if (what === 'history') {
    await deleteUnpublished(job);
    await host.journal.removeHistory(sweep.jobId);
  }
  host.log.info({ jobId: sweep.jobId, what }, 'retired');
}

async function loadJob({ jobId, jobKey }: LateSweep, host: Host) {
  const record = await host.journal.readJobRecord(jobId);
  if (record === null) throw new AppError('JOURNAL_UNSAFE', `cannot retire ${jobId}: it has no job.json`);
  const manifests: Manifest[] = [];
  for (const generation of await host.journal.listManifests(jobId)) {
    const stored = await host.journal.readManifest(jobId, generation);
    if (stored !== null) manifests.push(stored.record);
  }
  return {
    record: record.record,
    manifests,
    journal: host.journal,
    output: new OutputStore(host.store, record.record, jobKey),
  };
}

/** Of every generation: a later manifest names those of the earlier ones that still count. */
async function deleteRejects({ manifests, output, journal }: Job): Promise<void> {
  const seen = new NamedParts();
  let some: string[] = [];
  for (const manifest of manifests) {
    for await (const { uri, bytes } of journal.listManifest(manifest, 'rejects')) {
      if (seen.has(uri)) continue;
      seen.add(uri, bytes);
      some.push(uri);
      if (some.length < AT_ONCE) continue;
      await output.delete(some);
      some = [];
    }
  }
  await output.delete(some);
}

/** What generations that failed or were cancelled wrote: kept for a redrive until now. */
async function deleteUnpublished({ record, manifests, output, journal }: Job): Promise<void> {
  const published = new NamedParts();
  for (const manifest of manifests.filter(({ state }) => state === 'completed'))
    for await (const { uri, bytes } of journal.listManifest(manifest, 'parts')) published.add(uri, bytes);
  for (const folder of await partFolders(record.spec, output)) {
    for (const start of ['', '.tmp-']) {
      let some: string[] = [];
      for await (const { key } of output.list(folder, start)) {
        if (!isPartOf(key, record.jobId, Number.POSITIVE_INFINITY) || (start === '' && published.has(key))) continue;
        some.push(key);
        if (some.length < AT_ONCE) continue;
        await output.delete(some);
        some = [];
      }
      await output.delete(some);
    }
  }
}
