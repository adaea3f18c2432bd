/** Verdicts that stand in the journal although the ledger still waits for the chunk: the mark was lost. Looked for in jobs that have not moved for a while. */
import { type JobId, sumsOfChunk } from '@millrace/protocol';
import type { LedgerChunkView, LedgerJobView } from '@millrace/queues';
import type { Control } from '../control.ts';

/** When each job was last seen to change, by its revision; kept by the leader. */
export type Moves = Map<JobId, { revision: number; sinceMs: number }>;

export async function markUnmarkedReceipts(job: LedgerJobView, live: readonly LedgerChunkView[], moves: Moves, control: Control): Promise<void> {
  const nowMs = control.clock.monotonicMs();
  const known = moves.get(job.jobId);
  if (known?.revision !== job.revision) {
    moves.set(job.jobId, { revision: job.revision, sinceMs: nowMs });
    return;
  }
  if (nowMs - known.sinceMs < control.times.unmarkedReceiptAgeMs) return;
  for (const view of live) if (view.stage !== 'plan' && view.stage !== 'finish') await markIfCommitted(view, control);
  moves.set(job.jobId, { revision: job.revision, sinceMs: nowMs });
}

/** False when the chunk has no receipt in its generation. */
export async function markIfCommitted(view: LedgerChunkView, control: Control): Promise<boolean> {
  const verdict = await control.journal.readVerdict(view.jobId, view.stage, view.chunk, view.generation);
  if (verdict?.record.outcome !== 'committed') return false;
  const segment = await control.facts.segment(view.segmentKey, view.segmentDigest);
  const chunk = segment.chunks.find((one) => one.chunk === view.chunk);
  const sums = chunk === undefined ? null : sumsOfChunk(chunk, verdict.record);
  await control.queues.ledger.markCommitted(view.chunkId, view.generation, sums);
  control.metrics.recordRepair('unmarked_receipt');
  control.log.warn({ chunkId: view.chunkId }, 'unmarked receipt marked');
  return true;
}
