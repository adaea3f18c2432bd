/** Where the data of a chunk lie, for the records of its failures. */
import { type Chunk, type ChunkRange, fileShares, rangeOfChunk } from '@millrace/protocol';
import type { LedgerChunkView } from '@millrace/queues';
import type { Control } from './control.ts';

export function chunkRange(chunk: Chunk, files: readonly { file: number; uri: string; etag: string }[]): ChunkRange {
  const first = fileShares(chunk)[0];
  return rangeOfChunk(
    chunk,
    files.find((one) => one.file === first?.file),
  );
}

/** Of a chunk that the ledger has; null for work, and when the plan does not list it. */
export async function rangeOfLive(
  view: Pick<LedgerChunkView, 'stage' | 'chunk' | 'segmentKey' | 'segmentDigest'>,
  control: Control,
): Promise<ChunkRange | null> {
  if (view.stage === 'plan' || view.stage === 'finish') return null;
  const segment = await control.facts.segment(view.segmentKey, view.segmentDigest);
  const chunk = segment.chunks.find((one) => one.chunk === view.chunk);
  return chunk === undefined ? null : chunkRange(chunk, segment.files);
}
