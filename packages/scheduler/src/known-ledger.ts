/** The ledger while it may be lost: what cannot be told it now is told by the rebuild, from the journal. */
import type { JobId } from '@millrace/protocol';
import { EpochUnknownError, type LedgerJobView } from '@millrace/queues';
import type { Control } from './control.ts';

/** Null when the ledger does not have the job, or is being rebuilt. */
export async function knownJob(jobId: JobId, control: Control): Promise<LedgerJobView | null> {
  const job = await unlessRebuilding(() => control.queues.ledger.job(jobId));
  return job === null || job.rebuilding ? null : job;
}

/** Null when there is no ledger to tell. */
export async function unlessRebuilding<Told>(tell: () => Promise<Told>): Promise<Told | null> {
  try {
    return await tell();
  } catch (error) {
    if (error instanceof EpochUnknownError) return null;
    throw error;
  }
}
