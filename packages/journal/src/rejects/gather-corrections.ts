/** Rejects that are to be replayed, with their bytes: from an edited export, or as they were. Says of each that cannot be why. */
import { type ManifestPart, type Origin, stagesOf } from '@millrace/protocol';

import type { CorrectedReject } from '../corrections.ts';
import { type JobView, specOfGeneration } from '../read-job.ts';
import type { CoreLike } from '../store.ts';
import { type Correction, correctRecord, type EditedRow, unchangedRecord } from './correct-record.ts';
import { type ExportShape, exportShape, filesAsRead, type PlannedView, plannedFiles } from './export-rejects.ts';
import { type RejectRow, type Replayed, readRejects } from './read-rejects.ts';

export interface GatherOptions {
  /** The edited export by id; null: rejects as they were. */
  readonly edited: ReadonlyMap<string, EditedRow> | null;
  /** Which rejects; those of an edited export must match too. */
  readonly matches: (row: RejectRow) => boolean;
}

export interface Gathered {
  readonly rejects: readonly CorrectedReject[];
  readonly cannot: readonly { readonly rejectId: string; readonly reason: string }[];
  /** Ids of the edited export that name no reject of this job. */
  readonly unknown: readonly string[];
}

/** A set is held in memory: corrections are what people make, and an edited export is at most 64 MiB. */
const maxRejects = 200_000;

/** What of a job decides how its rejects are corrected. */
export type CorrectedJob = PlannedView & Pick<JobView, 'job' | 'commands' | 'generation'>;

/** `files`: those of the manifest of its newest generation. */
export async function gatherCorrections(
  view: CorrectedJob,
  files: Iterable<ManifestPart> | AsyncIterable<ManifestPart>,
  replayed: Replayed,
  core: CoreLike,
  options: GatherOptions,
): Promise<Gathered> {
  const shape = exportShape(view);
  const numbers = filesByUri(view);
  const reduce = new Set(stagesOf(specOfGeneration(view, view.generation).spec).flatMap(({ name, kind }) => (kind === 'reduce' ? [name] : [])));
  const arrays = arrayFiles(view);
  const rejects: CorrectedReject[] = [];
  const cannot: { rejectId: string; reason: string }[] = [];
  const unknown = new Set(options.edited?.keys() ?? []);
  // Those that were replayed are read too: who names one must hear that.
  for await (const row of readRejects(core, filesToRead(files, options.edited))) {
    const edited = options.edited?.get(row.rejectId) ?? null;
    unknown.delete(row.rejectId);
    if ((options.edited !== null && edited === null) || !options.matches(row)) continue;
    if (options.edited === null && replayed.replaced.has(row.rejectId)) continue;
    const found = correctionOf(row, edited, { shape, files: numbers, reduce, arrays, replayed });
    if ('cannot' in found) cannot.push({ rejectId: row.rejectId, reason: found.cannot });
    else rejects.push(found);
    if (rejects.length > maxRejects) throw new RangeError(`cannot replay more than ${maxRejects} rejects at once: choose some with --code`);
  }
  return { rejects, cannot, unknown: [...unknown] };
}

/** Of an edited export only the chunks that its ids name: a job may have very many rejects besides. */
async function* filesToRead(files: Iterable<ManifestPart> | AsyncIterable<ManifestPart>, edited: GatherOptions['edited']): AsyncGenerator<ManifestPart> {
  const named = edited === null ? null : new Set([...edited.keys()].map((id) => id.split('.').slice(1, 3).join('.')));
  for await (const file of files) if (named === null || named.has(file.chunk)) yield file;
}

interface Facts {
  readonly shape: ExportShape;
  readonly files: ReadonlyMap<string, number>;
  readonly reduce: ReadonlySet<string>;
  /** URIs of files of format json. */
  readonly arrays: ReadonlySet<string>;
  readonly replayed: Replayed;
}

function correctionOf(row: RejectRow, edited: EditedRow | null, facts: Facts): CorrectedReject | { cannot: string } {
  if (facts.replayed.replaced.has(row.rejectId)) return { cannot: 'it was replayed already' };
  const pending = facts.replayed.pending.get(row.rejectId);
  if (pending !== undefined) return { cannot: `chunk ${pending} of an earlier replay names it: redrive that` };
  if (facts.reduce.has(row.stage)) return { cannot: 'it is a row of a reduce stage, which is no record of a file' };
  const file = facts.files.get(row.file);
  if (file === undefined) return { cannot: 'its file is none of the job' };
  // An array is one value: without what stands around it the core cannot follow an element to its end.
  if (facts.arrays.has(row.file)) return { cannot: 'elements of a JSON array cannot be replayed in this version' };
  if (row.record === null) return { cannot: 'it lies in a range that a producer named, where records have no numbers' };
  if (row.line === null || row.byte === null) return { cannot: 'it is a row of a file of columns' };
  const correction: Correction = edited === null ? unchangedRecord(row) : correctRecord(facts.shape, row, edited);
  if ('cannot' in correction) return correction;
  if (correction.bytes.length === 0) return { cannot: 'it has no bytes' };
  const origin = { file, record: row.record, line: row.line, byte: row.byte, errors: errorsOf(row) };
  return { rejectId: row.rejectId, stage: row.stage, origin, bytes: correction.bytes, changed: correction.changed };
}

/** Each column and code once, the main one first: as the receipt that named this reject counted them. */
function errorsOf(row: RejectRow): Origin['errors'] {
  const main = { code: row.code, column: row.column };
  const pairs = new Map([main, ...row.errors.map(({ code, column }) => ({ code, column }))].map((pair) => [JSON.stringify([pair.code, pair.column]), pair]));
  return [...pairs.values()];
}

function filesByUri(view: PlannedView): Map<string, number> {
  return new Map(plannedFiles(view).map(({ uri, file }) => [uri, file]));
}

function arrayFiles(view: PlannedView): Set<string> {
  return new Set([...filesAsRead(view)].flatMap(([uri, { format }]) => (format === 'json' ? [uri] : [])));
}
