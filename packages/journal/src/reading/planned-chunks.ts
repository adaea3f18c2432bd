/** The chunks of a job one after another, as the newest plan that lists each says: a few segments in memory, however many chunks there are. */
import type { Chunk, JobId, Segment } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { readSegment } from '../plan-segments.ts';
import type { Stored } from '../put-if-absent.ts';
import type { Store } from '../store.ts';
import { readVerdict } from '../verdicts.ts';
import type { PlanIndex } from './plan-index.ts';

export interface PlannedChunk {
  readonly stage: string;
  readonly chunk: Chunk;
  /** The newest generation that lists it, of those in the index. */
  readonly generation: number;
}

/** Neighbours may stand in the segments of as many generations and stages. */
const keptSegments = 16;

/** In order of their numbers. */
export async function* plannedChunks(store: Store, index: PlanIndex): AsyncGenerator<PlannedChunk> {
  const kept = new Map<number, Segment>();
  for (let number = 0; number < index.size; number += 1) {
    const at = index.segmentOf(number);
    const named = index.segments[at];
    if (named === undefined) continue;
    const segment = kept.get(at) ?? (await readSegment(store, named.key, named.digest)).record;
    kept.set(at, segment);
    const oldest = kept.keys().next();
    if (kept.size > keptSegments && !oldest.done) kept.delete(oldest.value);
    yield { stage: named.stage, chunk: chunkOf(segment, number), generation: named.generation };
  }
}

/** Numbers of a segment mostly follow one another. */
function chunkOf(segment: Segment, number: number): Chunk {
  const guess = segment.chunks[number - segment.firstChunk];
  const chunk = guess?.chunk === number ? guess : segment.chunks.find((one) => one.chunk === number);
  if (chunk === undefined) throw new AppError('JOURNAL_UNSAFE', `segment ${segment.segment} does not list chunk ${number} any more`);
  return chunk;
}

/** The verdict that counts for a chunk that was listed last in this generation, or null while it has none. */
export async function outcomeOf(store: Store, jobId: JobId, { stage, chunk: { chunk }, generation }: PlannedChunk): Promise<Stored<'verdict'> | null> {
  const own = await readVerdict(store, jobId, stage, chunk, generation);
  if (own !== null) return own;
  // A verdict that lost to a receipt of an older generation was never filled: the receipt is what counts.
  for (let older = generation - 1; older > 0; older -= 1) {
    const stored = await readVerdict(store, jobId, stage, chunk, older);
    if (stored?.record.outcome === 'committed') return stored;
  }
  return null;
}
