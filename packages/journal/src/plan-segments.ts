/**
 * The plan of a generation: numbered segments without gaps, then the end mark under the next number, then the seal. Reduce stages have plans of their
 * own, whose numbers go on behind those of the plan before; `stage` names one, null is the plan of the map stages.
 */
import { encodeRecord, type JobId, type PlanEnd, parseRecordOf, type Sealed, type Segment, sha256Hex } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { sealedKey, segmentKey } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

/** What stands under a plan number. */
export type PlanEntry = Stored<'segment'> | Stored<'planEnd'>;

/** Segments of redrives; those of a first plan are written by the core. Lost: what stands there may be a segment or the end mark. */
export async function putSegment(
  store: Store,
  record: Segment,
  stage: string | null = null,
): Promise<{ readonly outcome: 'won' | 'lost'; readonly stored: PlanEntry }> {
  return putPlanEntry(store, record, record.segment, stage);
}

/** The end mark under the number behind the last segment, which is what `segments` says. Lost to a segment: planning goes on behind that one. */
export async function putPlanEnd(store: Store, record: PlanEnd): Promise<{ readonly outcome: 'won' | 'lost'; readonly stored: PlanEntry }> {
  return putPlanEntry(store, record, record.segments, record.stage ?? null);
}

/** Null: nothing stands under this number yet. */
export async function readPlanEntry(store: Store, jobId: JobId, generation: number, segment: number, stage: string | null = null): Promise<PlanEntry | null> {
  return readPlanEntryAt(store, segmentKey(jobId, generation, segment, stage));
}

/** A segment by its key, as ledger and tasks name it. `digest`: what its bytes must have. Throws when it is not there or another. */
export async function readSegment(store: Store, key: string, digest: string | null = null): Promise<Stored<'segment'>> {
  const stored = await readPlanEntryAt(store, key);
  if (stored === null) throw new AppError('JOURNAL_UNSAFE', `cannot read ${key}: a plan segment that was there is gone`);
  if (!isSegment(stored)) throw new AppError('PLAN_CONFLICT', `cannot read ${key}: expected a segment, got the end of the plan`);
  if (digest !== null && stored.digest !== digest) throw new AppError('JOURNAL_UNSAFE', `cannot read ${key}: expected digest ${digest}, got ${stored.digest}`);
  return stored;
}

/** The segments of a generation in order, up to the end mark or the first number without any. */
export async function* listSegments(store: Store, jobId: JobId, generation: number, from = 0, stage: string | null = null): AsyncGenerator<Stored<'segment'>> {
  for (let number = from; ; number++) {
    const stored = await readPlanEntry(store, jobId, generation, number, stage);
    if (stored === null || !isSegment(stored)) return;
    yield stored;
  }
}

export function putSealed(store: Store, record: Sealed): Promise<Put<'sealed'>> {
  return putIfAbsent(store, 'sealed', sealedKey(record.jobId, record.generation, record.stage ?? null), record);
}

export function readSealed(store: Store, jobId: JobId, generation: number, stage: string | null = null): Promise<Stored<'sealed'> | null> {
  return readRecord(store, 'sealed', sealedKey(jobId, generation, stage));
}

export function isSegment(stored: PlanEntry): stored is Stored<'segment'> {
  return stored.record.record === 'segment';
}

async function putPlanEntry(
  store: Store,
  record: Segment | PlanEnd,
  number: number,
  stage: string | null,
): Promise<{ outcome: 'won' | 'lost'; stored: PlanEntry }> {
  const key = segmentKey(record.jobId, record.generation, number, stage);
  const bytes = record.record === 'segment' ? encodeRecord('segment', record) : encodeRecord('planEnd', record);
  const put = await store.create(key, bytes);
  const standing = put.won ? bytes : put.existing;
  return { outcome: put.won || Buffer.compare(put.existing, bytes) === 0 ? 'won' : 'lost', stored: planEntryFrom(key, standing) };
}

async function readPlanEntryAt(store: Store, key: string): Promise<PlanEntry | null> {
  const bytes = await store.get(key);
  return bytes === null ? null : planEntryFrom(key, bytes);
}

function planEntryFrom(key: string, bytes: Uint8Array): PlanEntry {
  return { key, digest: sha256Hex(bytes), record: parseRecordOf(['segment', 'planEnd'], bytes) } as PlanEntry;
}
