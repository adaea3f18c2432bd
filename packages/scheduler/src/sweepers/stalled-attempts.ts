/** Open attempts without a queue entry: nobody would ever rescue them. Their record is put, then the chunk fails as lost and is tried again. */
import { failureKey } from '@millrace/journal';
import type { LedgerChunkView, LedgerJobView } from '@millrace/queues';
import { rangeOfLive } from '../chunk-range.ts';
import type { Control } from '../control.ts';
import { queueOf } from '../dispatch.ts';
import { lostRecord } from './late-records.ts';
import { markIfCommitted } from './unmarked-receipts.ts';
import type { Unowned } from './unowned.ts';

export async function closeStalledAttempts(job: LedgerJobView, live: readonly LedgerChunkView[], unowned: Unowned, control: Control): Promise<void> {
  const { leaseMs, stalledIntervalMs } = control.times;
  for (const view of live) {
    if (view.state !== 'running' || view.attempt === null || view.taskId === null || view.ageMs < leaseMs + 2 * stalledIntervalMs) continue;
    if (await control.queues.tasks.has(queueOf(view, job), view.taskId)) continue;
    unowned.note(view.ageMs);
    // A commit outranks every loss: its host may have died between receipt and mark.
    if (view.stage !== 'plan' && view.stage !== 'finish' && (await markIfCommitted(view, control))) continue;
    const record = await lostRecord(view.attempt, view, await rangeOfLive(view, control), control);
    await control.journal.putFailure(record);
    const { code, message, fingerprint, jobId, stage, chunk, attemptId } = record;
    const recordKey = failureKey(jobId, stage, chunk, attemptId);
    await control.queues.ledger.failAttempt(view.chunkId, view.generation, attemptId, {
      class: 'lost',
      code,
      message,
      fingerprint,
      outcome: 'lost',
      endedAt: record.endedAt,
      range: record.range,
      recordKey,
    });
    control.metrics.recordRepair('stalled_attempt');
    control.log.warn({ chunkId: view.chunkId, attemptId }, 'stalled attempt closed');
  }
}
