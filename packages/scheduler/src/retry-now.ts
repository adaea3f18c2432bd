/** Ends the wait of a chunk that is to be tried again: somebody has mended what it failed for and does not want to wait. Its attempts stay counted. */
import { type AnswerTo, chunkId, type RetryNowRequest } from '@millrace/protocol';
import type { Control } from './control.ts';
import { notFound } from './read-status.ts';
import { refusal } from './refusal.ts';

export async function retryNow(request: RetryNowRequest, control: Control): Promise<AnswerTo<'retryNow'>> {
  const { jobId, tenant, stage, chunk } = request;
  const facts = await control.facts.spec(jobId, 1);
  if (facts === null || facts.job.tenant !== tenant) return notFound(jobId);
  const id = chunkId(jobId, stage, chunk);
  const { ledger, events } = control.queues;
  const view = await ledger.chunk(id);
  const conflict = (why: string, state?: string) => ({
    ...refusal('STATE_CONFLICT', `cannot end the wait of ${id}: ${why}`),
    ...(state === undefined ? {} : { state }),
  });
  if (view === null) return conflict('it is not waiting for another try');
  const outcome = await ledger.retryNow(view);
  if (outcome === 'undecided') return conflict('when it is tried again is being decided this moment', view.state);
  if (outcome === 'no') return conflict(view.state === 'retrying' ? 'it is not tried again, it becomes a dead letter' : `it is ${view.state}`, view.state);
  await events.nudgeLeader(jobId);
  control.log.info({ chunkId: id, by: request.by }, 'wait of a retry ended');
  return { ok: true, kind: 'retryNow', chunkId: id };
}
