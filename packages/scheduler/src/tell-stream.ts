/** Segments of a stream that stand in the journal are told to the ledger, in their order. */
import { isSegment, type Stored } from '@millrace/journal';
import { type Chunk, streamKeys } from '@millrace/protocol';
import type { StreamSegment } from '@millrace/queues';
import type { Control } from './control.ts';
import { segmentRef } from './segment-ref.ts';

/** A stream's only generation of its own: a redrive of it has all chunks it will ever have. */
export const streamGeneration = 1;

export function streamSegment(stored: Stored<'segment'>): StreamSegment {
  const keys = stored.record.chunks.flatMap((chunk: Chunk) => streamKeys(chunk));
  return { ref: segmentRef(stored), keys, sent: keys.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Tells the ledger a segment, and before it those it has not heard of. Without a ledger the rebuild does it. */
export async function tellStreamSegment(stored: Stored<'segment'>, control: Control): Promise<void> {
  const { jobId, segment } = stored.record;
  while (!(await control.queues.ledger.recordStreamSegment(jobId, streamGeneration, streamSegment(stored)))) {
    const known = (await control.queues.ledger.job(jobId))?.stream?.segments;
    if (known === undefined || known >= segment) return;
    const earlier = await control.journal.readPlanEntry(jobId, streamGeneration, known);
    if (earlier === null || !isSegment(earlier)) return;
    await control.queues.ledger.recordStreamSegment(jobId, streamGeneration, streamSegment(earlier));
  }
}
