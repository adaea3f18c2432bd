/** Chunks and work that the ledger calls queued although the queue has no such entry: the reply of an add was lost, or its scheduler died before it. */
import type { LedgerChunkView, LedgerJobView } from '@millrace/queues';
import type { Control } from '../control.ts';
import { dispatchChunk, queueOf } from '../dispatch.ts';
import type { Unowned } from './unowned.ts';

export async function requeueLostTasks(job: LedgerJobView, live: readonly LedgerChunkView[], unowned: Unowned, control: Control): Promise<void> {
  for (const view of live) {
    if (view.state !== 'queued' || view.taskId === null || view.ageMs < control.times.lostTaskAgeMs || view.generation !== job.generation) continue;
    if (await control.queues.tasks.has(queueOf(view, job), view.taskId)) continue;
    unowned.note(view.ageMs);
    if (!(await dispatchChunk(view, job, control, true))) continue;
    control.metrics.recordRepair('lost_task');
    control.log.warn({ chunkId: view.chunkId }, 'lost task dispatched anew');
  }
}
