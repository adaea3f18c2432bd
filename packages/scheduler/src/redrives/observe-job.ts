/** How far the items of an operation are in one job: from bits in the ledger while it has the generation, from the journal when that is over. */
import { type ItemCounts, isTerminalJobState, type OperationJob } from '@millrace/protocol';
import type { LedgerJobView } from '@millrace/queues';
import type { Control } from '../control.ts';
import { inSteps } from '../in-steps.ts';
import { openedBy, outcomeOf } from './item-outcomes.ts';
import type { OperationItems, Taken } from './operation-items.ts';
import { observeReplay } from './replay-items.ts';

export interface JobSeen {
  readonly counts: ItemCounts;
  /** Null: the operation has not opened a generation of it. */
  readonly taken: Taken | null;
  /** The ledger's view while the opened generation is the newest and has not ended. */
  readonly live: LedgerJobView | null;
}

export async function observeJob(job: OperationJob, items: OperationItems, isAborted: boolean, control: Control): Promise<JobSeen> {
  if (isDone(job)) return { counts: job.counts, taken: null, live: null };
  if (items.target === 'rejects') return observeReplay(job, items.operationId, control);
  if (items.target === 'waiveDeadLetters') return observeWaiver(job, items, control);
  const taken = await items.taken(job.jobId, control);
  if (taken === null) return { counts: { ...job.counts, released: 0 }, taken: null, live: null };
  const known = await control.queues.ledger.job(job.jobId);
  if (known !== null && (known.rebuilding || known.generation < taken.generation)) return { counts: job.counts, taken, live: null };
  if (known?.generation === taken.generation) {
    const ended = isTerminalJobState(known.state);
    // While chunks are given up by an abort their bits look like failures; the journal tells them apart at the end.
    if (!isAborted) return { counts: endedCounts(await countsByBits(job, taken, known, control), ended), taken, live: ended ? null : known };
    if (!ended) return { counts: job.counts, taken, live: known };
  }
  return { counts: await countsByJournal(job, items, taken, control), taken, live: null };
}

/** Waived with the command itself; what follows is the judgement of the job. */
async function observeWaiver(job: OperationJob, items: OperationItems, control: Control): Promise<JobSeen> {
  const taken = await items.taken(job.jobId, control);
  if (taken === null) return { counts: { ...job.counts, released: 0 }, taken: null, live: null };
  const { total } = job.counts;
  const resolved = total - taken.left;
  return { counts: { total, released: resolved, resolved, failedAgain: 0, skipped: taken.left }, taken, live: null };
}

/** What has no outcome when the generation is over never ran. */
function endedCounts(counts: ItemCounts, ended: boolean): ItemCounts {
  return ended ? { ...counts, skipped: counts.total - counts.resolved - counts.failedAgain } : counts;
}

/** Every item has its outcome, and it was written down. */
export function isDone({ counts }: OperationJob): boolean {
  return counts.resolved + counts.failedAgain + counts.skipped >= counts.total;
}

async function countsByBits(job: OperationJob, taken: Taken, live: LedgerJobView, control: Control): Promise<ItemCounts> {
  const bits = await control.queues.ledger.outcomeBits(job.jobId);
  let resolved = 0;
  let failedAgain = 0;
  for (const chunk of taken.chunks) {
    if (hasBit(bits.committed, chunk)) resolved++;
    else if (hasBit(bits.dead, chunk)) failedAgain++;
  }
  if (taken.files.length > 0 && live.sealed) {
    const sealed = await control.facts.sealed(job.jobId, taken.generation);
    const unplannable = new Set(sealed?.unplannable.map(({ file }) => file));
    const failed = taken.files.filter((file) => unplannable.has(file)).length;
    failedAgain += failed;
    resolved += taken.files.length - failed;
  }
  if (taken.finish && live.state === 'completed') resolved += 1;
  if (taken.finish && live.state === 'failed') failedAgain += 1;
  const { total } = job.counts;
  const all = total - taken.left;
  // What was committed behind the plan has its outcome without being released.
  const released = live.release === null ? all : Math.min(all, Math.max(live.release.limit + taken.files.length, resolved + failedAgain));
  return { total, released, resolved, failedAgain, skipped: taken.left };
}

export function hasBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
}

/** The opened generation is over: each item has an outcome, and what has no verdict never ran. */
async function countsByJournal(job: OperationJob, items: OperationItems, taken: Taken, control: Control): Promise<ItemCounts> {
  const opened = await openedBy(items.operationId, job.jobId, control);
  const manifest = (await control.journal.readManifest(job.jobId, taken.generation))?.record ?? null;
  const outcomes = await inSteps(items.ids(job.jobId), (id) => outcomeOf(id, opened, manifest, manifest !== null, control));
  const countOf = (outcome: string): number => outcomes.filter((one) => one.outcome === outcome).length;
  const { total } = job.counts;
  return { total, released: total - taken.left, resolved: countOf('resolved'), failedAgain: countOf('failedAgain'), skipped: countOf('skipped') };
}
