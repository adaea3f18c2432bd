/** Aborting: what an operation has not let begin is dead again, a few hundred at a time. What has begun runs to its end. */
import { chunkId } from '@millrace/protocol';
import type { LedgerJobView } from '@millrace/queues';
import type { Control } from '../control.ts';
import { giveUp } from '../dead-letter.ts';
import { inSteps } from '../in-steps.ts';
import { abortedReason, frozenIn, itemChunk } from './item-outcomes.ts';
import { hasBit } from './observe-job.ts';

const atOnce = 500;

/** True: nothing of the generation is held back any more. `ids`: the items of this job, whose last dead letters say what they had died of. */
export async function giveUpRest(job: LedgerJobView, operationId: string, ids: readonly string[], control: Control): Promise<boolean> {
  const { ledger } = control.queues;
  const { jobId, generation } = job;
  if (job.release === null) return true;
  // Nothing begins from here on, so what has no key and no outcome now will have none.
  await ledger.setRelease(jobId, generation, 'hold');
  const rest = await unbegun(job, control);
  const frozen = new Map(ids.map((id) => [id.slice(0, id.lastIndexOf('.')), frozenIn(id)]));
  await inSteps(rest.slice(0, atOnce), async ({ stage, chunk }) => {
    const from = frozen.get(chunkId(jobId, stage, chunk));
    const before = from === undefined ? null : await control.journal.readDeadLetter(jobId, stage, chunk, from);
    await giveUp({ jobId, stage, chunk, generation }, `${abortedReason} ${operationId} was aborted`, before?.record ?? null, control);
  });
  if (rest.length > atOnce || !job.sealed) return false;
  // Partitions behind these chunks are nobody's items: they are planned and run.
  await ledger.setRelease(jobId, generation, null);
  await control.queues.events.nudgeLeader(jobId);
  return true;
}

async function unbegun({ jobId }: LedgerJobView, control: Control): Promise<{ stage: string; chunk: number }[]> {
  const { ledger } = control.queues;
  const [bits, live, segments] = await Promise.all([ledger.outcomeBits(jobId), ledger.liveChunkIds(jobId), ledger.segments(jobId)]);
  const begun = new Set(live.map((id) => itemChunk(`${id}.0`).chunk));
  const rest: { stage: string; chunk: number }[] = [];
  for (const { stage, ranges } of segments) {
    for (const [first, count] of ranges) {
      for (let chunk = first; chunk < first + count; chunk++) {
        if (!hasBit(bits.committed, chunk) && !hasBit(bits.dead, chunk) && !begun.has(chunk)) rest.push({ stage, chunk });
      }
    }
  }
  return rest;
}
