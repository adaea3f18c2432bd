/** Where the rejects of a job lie, chunk by chunk, and the reading of them a page at a time. Of a generation that ended its manifest says where, else receipts do. */
import { type RejectRow, readRejectRows } from '@millrace/journal';
import type { Manifest, Receipt } from '@millrace/protocol';
import type { Api } from '../api.ts';
import { chunkNumber, type LookedAt } from './look.ts';

/** A place among the rejects of a job: in the files of a chunk, as if they were one behind another, from 0. */
export interface RejectPlace {
  readonly chunk: number;
  readonly row: number;
}

type File = Pick<Receipt['rejects'][number], 'uri' | 'rows'>;

const filesOfManifests = new WeakMap<Manifest, ReadonlyMap<number, readonly File[]>>();

function filesOfManifest(manifest: Manifest): ReadonlyMap<number, readonly File[]> {
  const known = filesOfManifests.get(manifest);
  if (known) return known;
  const found = new Map<number, File[]>();
  for (const { chunk, uri, rows } of manifest.rejects) found.set(chunkNumber(chunk), [...(found.get(chunkNumber(chunk)) ?? []), { uri, rows }]);
  filesOfManifests.set(manifest, found);
  return found;
}

/** The files of rejects of one chunk. */
export async function rejectFiles({ manifest, record, outline, plan }: LookedAt, chunk: number, api: Api): Promise<readonly File[]> {
  // One with pages is not read through for the files of one chunk.
  if (manifest !== null && manifest.pages === undefined) return filesOfManifest(manifest).get(chunk) ?? [];
  const place = plan.index.at(chunk);
  if (place === null) return [];
  const receipts = await api.journal.readReceipts(record.jobId, place.stage, chunk, outline.generation);
  return receipts.at(-1)?.rejects ?? [];
}

/** Chunks from this one on that have rejects, or may have some. */
export function* chunksWithRejects({ plan, states }: LookedAt, from = 0): Generator<number> {
  for (let chunk = from; chunk < plan.index.size; chunk += 1) {
    if (plan.index.has(chunk) && states.rejectsOf(chunk) !== 0 && states.stateOf(chunk) === 'committed') yield chunk;
  }
}

/** The same, backwards from the one before this. */
export function* chunksBefore({ plan, states }: LookedAt, before: number): Generator<number> {
  for (let chunk = before - 1; chunk >= 0; chunk -= 1) {
    if (plan.index.has(chunk) && states.rejectsOf(chunk) !== 0 && states.stateOf(chunk) === 'committed') yield chunk;
  }
}

/** Rows of a chunk's files from a row on, at most so many: the file that holds the row is read, and no further. */
export async function readRows(files: readonly File[], row: number, most: number, api: Api, signal: AbortSignal): Promise<RejectRow[]> {
  let start = row;
  for (const { uri, rows } of files) {
    if (start < rows) return readRejectRows(api.core, uri, { start, rows: Math.min(most, rows - start), signal });
    start -= rows;
  }
  return [];
}

export const rowsOf = (files: readonly File[]): number => files.reduce((sum, { rows }) => sum + rows, 0);
