/** Pure: a plan segment of the journal as the ledger keeps it: where it lies, and its chunks as ranges. */
import type { Stored } from '@millrace/journal';
import { segmentRanges } from '@millrace/protocol';
import type { SegmentRef } from '@millrace/queues';

export function segmentRef({ key, digest, record }: Stored<'segment'>): SegmentRef {
  return { key, digest, ...segmentRanges(record) };
}
