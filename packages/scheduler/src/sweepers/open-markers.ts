/** Markers of jobs or generations that the ledger does not have: submitted, redriven or finished by a scheduler that died, or lost with Redis. Keeps I1. */
import type { JobId } from '@millrace/protocol';
import type { Control } from '../control.ts';
import { rebuildJob } from '../rebuild.ts';

/** Answers how many jobs were rebuilt. A job whose rebuild fails is left for the next round. */
export async function rebuildOpenJobs(control: Control): Promise<number> {
  const newest = new Map<JobId, number>();
  for await (const { jobId, generation } of control.journal.listOpenMarkers()) newest.set(jobId, Math.max(generation, newest.get(jobId) ?? 0));
  let rebuilt = 0;
  for (const [jobId, generation] of newest) {
    if (!(await isMissing(jobId, generation, control))) continue;
    try {
      if (await rebuildJob(jobId, control)) rebuilt++;
    } catch (err) {
      control.log.error({ err, jobId }, 'job not rebuilt');
    }
  }
  return rebuilt;
}

async function isMissing(jobId: JobId, generation: number, control: Control): Promise<boolean> {
  const job = await control.queues.ledger.job(jobId);
  // A terminal job whose marker stands: the finisher died before its last steps, which are repeated.
  return job === null || job.rebuilding || job.generation < generation;
}
