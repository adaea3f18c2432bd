/** Markers of jobs or generations that the ledger does not have: submitted, redriven or finished by a scheduler that died, or lost with Redis. Keeps I1. */
import { newestGeneration } from '@millrace/journal';
import { isTerminalJobState, type JobId } from '@millrace/protocol';
import type { LedgerJobView } from '@millrace/queues';
import type { Control } from '../control.ts';
import { rebuildJob } from '../rebuild.ts';

/** Answers how many jobs were rebuilt. A job whose rebuild fails is left for the next round. */
export async function rebuildOpenJobs(control: Control): Promise<number> {
  const markers = new Map<JobId, number[]>();
  for await (const { jobId, generation } of control.journal.listOpenMarkers()) markers.set(jobId, [...(markers.get(jobId) ?? []), generation]);
  const all = [...markers];
  let rebuilt = 0;
  for (let at = 0; at < all.length; at += rebuiltAtOnce) {
    const some = await Promise.all(all.slice(at, at + rebuiltAtOnce).map(([jobId, generations]) => bringBack(jobId, generations, control)));
    rebuilt += some.filter((isRebuilt) => isRebuilt).length;
  }
  return rebuilt;
}

/** Reads of the journal wait for one another within a job; a job of a million chunks fills much memory, so these are few. */
const rebuiltAtOnce = 4;

async function bringBack(jobId: JobId, generations: readonly number[], control: Control): Promise<boolean> {
  try {
    const job = await control.queues.ledger.job(jobId);
    if (await isMissing(jobId, Math.max(...generations), job, control)) {
      if (!(await rebuildJob(jobId, control, 'later'))) return false;
      control.metrics.recordRepair('open_marker');
      return true;
    }
    if (job !== null) for (const generation of generations) await removeIfOver(generation, job, control);
  } catch (err) {
    control.log.error({ err, jobId }, 'job not rebuilt');
  }
  return false;
}

async function isMissing(jobId: JobId, generation: number, job: LedgerJobView | null, control: Control): Promise<boolean> {
  if (job === null || job.rebuilding) return true;
  if (job.generation >= generation) return false;
  // The marker comes before the command: without one nothing was opened, and the marker waits for the next redrive.
  return newestGeneration(await control.journal.readCommands(jobId)) >= generation;
}

/**
 * The finisher died between the last steps: the ledger tells of the end only after everything that readers look at was put, so of those steps only the
 * marker is left.
 */
async function removeIfOver(generation: number, job: LedgerJobView, control: Control): Promise<void> {
  const isOver = job.generation > generation || (job.generation === generation && isTerminalJobState(job.state));
  if (!isOver || (await control.journal.readManifest(job.jobId, generation)) === null) return;
  await control.journal.deleteOpenMarker(job.jobId, generation);
  control.log.info({ jobId: job.jobId, generation }, 'marker of an ended generation removed');
}
