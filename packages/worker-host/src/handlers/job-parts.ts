/** Where the parts of a job lie, and which files are its own. */
import type { ResolvedJobSpec } from '@millrace/protocol';
import type { OutputStore } from '../output-store.ts';

/** The output and, where parts lie in folders of it, all of these: an orphan may be the only file of one. Names of ours begin with `_`. */
export async function partFolders(spec: ResolvedJobSpec, output: OutputStore): Promise<string[]> {
  const folders = [spec.output.uri];
  if (spec.output.partitionBy.length === 0 && spec.output.layout === 'merged') return folders;
  for (const folder of folders) {
    for await (const key of output.listFolders(folder)) if (!key.slice(folder.length).startsWith('_')) folders.push(key);
  }
  return folders;
}

/**
 * `part-<stage>-<chunk>[.<gen>]-<n>-<jobId>-<attemptId>.<ext>`, with the name of an input in place of `part` under `layout: perInput`, or
 * `rejects-<stage>-<chunk>[.<gen>]-<jobId>-<attemptId>.pq`; while it is written `.tmp-` stands before the name and `-<n>` behind it.
 */
export function isPartOf(uri: string, jobId: string, generation: number): boolean {
  const name = uri.slice(uri.lastIndexOf('/') + 1).replace(/^\.tmp-(.+)-\d+$/, '$1');
  const match = /^.+-[a-z][a-z0-9]*-\d{6,}(?:\.(\d{6,}))?-(?:\d+-)?(j[0-9a-z]{26})-a[0-9a-z]{26}(?:\.[a-z]+){1,2}$/.exec(name);
  return match !== null && match[2] === jobId && Number(match[1] ?? 1) <= generation;
}
