/** Pure: a plan segment of the journal as the ledger keeps it: where it lies, and its chunks as ranges. */
import type { Stored } from '@millrace/journal';
import { chunkBytes } from '@millrace/protocol';
import type { SegmentRef } from '@millrace/queues';

export function segmentRef(stored: Stored<'segment'>): SegmentRef {
  const { segment, stage, chunks } = stored.record;
  const ranges: [number, number][] = [];
  for (const { chunk } of chunks) {
    const last = ranges.at(-1);
    if (last && last[0] + last[1] === chunk) last[1] += 1;
    else ranges.push([chunk, 1]);
  }
  const bytes = chunks.reduce((sum, chunk) => sum + chunkBytes(chunk), 0);
  return { segment, key: stored.key, digest: stored.digest, stage, ranges, bytes };
}
