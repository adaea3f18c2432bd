/** Rejects of a directory, without those that a replay has taken the place of. */
import { type JobView, type RejectRow, readRejects } from '@millrace/journal';
import type { Manifest } from '@millrace/protocol';
import type { Directory } from './directory.ts';
import type { FirstReject } from './run-report.ts';

/** Those that are still rejects. */
export async function* openRejects({ core, journal }: Directory, view: JobView, manifest: Manifest): AsyncGenerator<RejectRow> {
  const { replaced } = await journal.replayedRejects(view);
  yield* readRejects(core, manifest.rejects, replaced);
}

/** The first reject of each code, for the summary; stops as soon as every code has been seen. */
export async function firstRejects(directory: Directory, view: JobView, manifest: Manifest): Promise<Map<string, FirstReject>> {
  const first = new Map<string, FirstReject>();
  const codes = Object.keys(manifest.byCode).length;
  for await (const { code, line, column, message } of openRejects(directory, view, manifest)) {
    if (!first.has(code)) first.set(code, { line, column, message });
    if (first.size >= codes) break;
  }
  return first;
}
