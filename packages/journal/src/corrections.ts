/** Correction sets: their bytes first, then their parts, then the record that says that they are all there. */
import {
  type CorrectionPart,
  type CorrectionSet,
  type Counts,
  canonicalJson,
  type JobId,
  maxCorrectionBytes,
  maxCorrectionRecords,
  type Origin,
  sha256Hex,
  toId,
} from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { putInline } from './inline.ts';
import { correctionKey, correctionPartKey, inlineDir, parseInlineKey } from './paths.ts';
import { putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

/** One reject with the bytes that are to be read in its place. */
export interface CorrectedReject {
  readonly rejectId: string;
  readonly stage: string;
  readonly origin: Origin;
  readonly bytes: Uint8Array;
  /** Names of changed columns; none: as it was. */
  readonly changed: readonly string[];
}

/** The id is that of what it holds: the same corrections put again are the same set. */
export async function putCorrection(
  store: Store,
  jobId: JobId,
  rejects: readonly CorrectedReject[],
  of: { readonly at: string; readonly by: string },
): Promise<Stored<'correction'>> {
  if (rejects.length === 0) throw new AppError('PLAN_EMPTY', 'cannot put a correction set without rejects');
  const correctionId = toId('c', canonicalJson(rejects.map(({ rejectId, bytes, origin }) => [rejectId, sha256Hex(bytes), origin])));
  const standing = await readCorrection(store, jobId, correctionId);
  if (standing !== null) return standing;
  const parts = partsOf(rejects);
  let number = await nextInline(store, jobId);
  for (const [part, some] of parts.entries()) {
    const bytes = Buffer.concat(some.map((reject) => reject.bytes));
    const { key, next } = await putBytes(store, jobId, number, bytes);
    number = next;
    await putIfAbsent(store, 'correctionPart', correctionPartKey(jobId, correctionId, part), partRecord(jobId, correctionId, part, some, key, bytes));
  }
  const record: CorrectionSet = {
    record: 'correction',
    version: 1,
    jobId,
    correctionId,
    ...of,
    parts: parts.length,
    records: rejects.length,
    unchanged: rejects.filter(({ changed }) => changed.length === 0).length,
    changedCells: countsOf(rejects.flatMap(({ changed }) => changed)),
    byCode: countsOf(rejects.flatMap(({ origin }) => origin.errors[0]?.code ?? [])),
  };
  return (await putIfAbsent(store, 'correction', correctionKey(jobId, correctionId), record)).stored;
}

/** Null: there is no such set, or it was not put to its end. */
export function readCorrection(store: Store, jobId: JobId, correctionId: string): Promise<Stored<'correction'> | null> {
  return readRecord(store, 'correction', correctionKey(jobId, correctionId));
}

export async function readCorrectionParts(store: Store, jobId: JobId, { correctionId, parts }: CorrectionSet): Promise<CorrectionPart[]> {
  const found: CorrectionPart[] = [];
  for (let part = 0; part < parts; part += 1) {
    const stored = await readRecord(store, 'correctionPart', correctionPartKey(jobId, correctionId, part));
    if (stored === null) throw new AppError('JOURNAL_UNSAFE', `cannot read part ${part} of correction set ${correctionId}: it was there and is gone`);
    found.push(stored.record);
  }
  return found;
}

/** Each of one stage, in the order of their places, and small enough for a chunk. */
function partsOf(rejects: readonly CorrectedReject[]): CorrectedReject[][] {
  const parts: CorrectedReject[][] = [];
  for (const ofStage of Map.groupBy(rejects, ({ stage }) => stage).values()) {
    const ordered = [...ofStage].sort((a, b) => a.origin.file - b.origin.file || a.origin.record - b.origin.record);
    let bytes = 0;
    let part: CorrectedReject[] = [];
    for (const reject of ordered) {
      if (part.length > 0 && (part.length >= maxCorrectionRecords || bytes + reject.bytes.length > maxCorrectionBytes)) {
        parts.push(part);
        [part, bytes] = [[], 0];
      }
      part.push(reject);
      bytes += reject.bytes.length;
    }
    parts.push(part);
  }
  return parts;
}

function partRecord(jobId: JobId, correctionId: string, part: number, rejects: readonly CorrectedReject[], key: string, bytes: Uint8Array): CorrectionPart {
  let offset = 0;
  const payloads = rejects.map(({ rejectId, origin, bytes: own }) => {
    const payload = { key: rejectId, offset, length: own.length, origin };
    offset += own.length;
    return payload;
  });
  const stage = rejects[0]?.stage ?? '';
  const place = { key, offset: 0, length: bytes.length, sha256: sha256Hex(bytes) };
  return { record: 'correctionPart', version: 1, jobId, correctionId, part, stage, ...place, payloads };
}

async function nextInline(store: Store, jobId: JobId): Promise<number> {
  let next = 0;
  for await (const { key } of store.list(inlineDir(jobId))) next = Math.max(next, (parseInlineKey(key) ?? -1) + 1);
  return next;
}

/** Others may put payloads under the same number at the same time: the names differ by the bytes. */
async function putBytes(store: Store, jobId: JobId, number: number, bytes: Uint8Array): Promise<{ key: string; next: number }> {
  return { key: await putInline(store, jobId, number, bytes), next: number + 1 };
}

function countsOf(names: readonly string[]): Counts {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, found]) => [name, found.length]));
}
