/** Where the data of a chunk lie, for the records of its failures. */
import { type Chunk, type ChunkRange, chunkBytes, fileShares } from '@millrace/protocol';
import type { LedgerChunkView } from '@millrace/queues';
import type { Control } from './control.ts';

export function chunkRange(chunk: Chunk, files: readonly { file: number; uri: string; etag: string }[]): ChunkRange {
  if (chunk.kind === 'inline') return { uri: chunk.key, etag: null, start: chunk.offset, end: chunk.offset + chunk.length };
  if (chunk.kind === 'given') return { uri: chunk.uri, etag: chunk.etag, start: chunk.start, end: chunk.end };
  if (chunk.kind === 'partition') return { uri: chunk.slices.key, etag: null, start: 0, end: chunk.bytes };
  const first = fileShares(chunk)[0];
  const file = files.find((one) => one.file === first?.file);
  // Of a group the first file stands for all.
  if (chunk.kind === 'files') return { uri: file?.uri ?? '', etag: null, start: 0, end: chunkBytes(chunk) };
  return { uri: file?.uri ?? '', etag: file?.etag ?? null, start: chunk.start, end: chunk.end };
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
