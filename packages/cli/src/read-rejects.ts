/** Rejects of a directory, without those that a replay has taken the place of. */
import { type JobView, type RejectRow, readRejects } from '@millrace/journal';
import type { Manifest } from '@millrace/protocol';
import { CommandError } from './command-error.ts';
import type { Directory } from './directory.ts';
import { exitCodes } from './exit-codes.ts';
import type { FirstReject } from './run-report.ts';

/** Those that are still rejects. Throws when the job's retention has removed them. */
export async function* openRejects({ core, journal }: Directory, view: JobView, manifest: Manifest): AsyncGenerator<RejectRow> {
  const gone = view.commands.find(({ retires }) => retires === 'rejects');
  if (gone !== undefined) {
    const message = `the rejects of ${view.job.record.jobId} are gone: their retention ended at ${gone.at}; counts by code and column stay in the manifest`;
    throw new CommandError(exitCodes.notFound, message);
  }
  const { replaced } = await journal.replayedRejects(view);
  yield* readRejects(core, journal.listManifest(manifest, 'rejects'), replaced);
}

/** The first reject of each code, for the summary; stops as soon as every code has been seen. */
export async function firstRejects(directory: Directory, view: JobView, manifest: Manifest): Promise<Map<string, FirstReject>> {
  const first = new Map<string, FirstReject>();
  if (view.commands.some(({ retires }) => retires === 'rejects')) return first;
  const codes = Object.keys(manifest.byCode).length;
  for await (const { code, line, column, message } of openRejects(directory, view, manifest)) {
    if (!first.has(code)) first.set(code, { line, column, message });
    if (first.size >= codes) break;
  }
  return first;
}
