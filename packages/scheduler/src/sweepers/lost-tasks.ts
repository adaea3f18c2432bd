/** Chunks and work that the ledger calls queued although the queue has no such entry: the reply of an add was lost, or its scheduler died before it. */
import type { LedgerChunkView, LedgerJobView } from '@millrace/queues';
import type { Control } from '../control.ts';
import { dispatchChunk, queueOf } from '../dispatch.ts';

export async function requeueLostTasks(job: LedgerJobView, live: readonly LedgerChunkView[], control: Control): Promise<void> {
  for (const view of live) {
    if (view.state !== 'queued' || view.taskId === null || view.ageMs < control.times.lostTaskAgeMs || view.generation !== job.generation) continue;
    if (await control.queues.tasks.has(queueOf(view, job), view.taskId)) continue;
    if (await dispatchChunk(view, job, control, true)) control.log.warn({ chunkId: view.chunkId }, 'lost task dispatched anew');
  }
}
