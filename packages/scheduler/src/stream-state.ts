/** Whether a stream takes chunks, and how far it is ahead of its outcomes. */
import { isTerminalJobState, type JobId, type Refusal } from '@millrace/protocol';
import type { LedgerJobView, StreamTotals } from '@millrace/queues';
import type { Control } from './control.ts';
import type { JobSpecFacts } from './job-facts.ts';
import { notFound } from './read-status.ts';
import { ensureJob } from './rebuild.ts';
import { refusal } from './refusal.ts';
import { streamGeneration } from './tell-stream.ts';

export interface OpenStream {
  readonly facts: JobSpecFacts;
  readonly job: LedgerJobView & { readonly stream: StreamTotals };
}

/** The facts of a stream of this tenant, or why there are none. */
export async function streamFacts(request: { tenant: string; jobId: JobId }, control: Control): Promise<JobSpecFacts | Refusal> {
  const facts = await control.facts.spec(request.jobId, streamGeneration);
  if (facts === null || facts.job.tenant !== request.tenant) return notFound(request.jobId);
  if (facts.job.stream) return facts;
  return refusal('STATE_CONFLICT', `cannot send chunks of job ${request.jobId}: it is no stream, its inputs were named when it was submitted`);
}

/** A stream that takes chunks, or why it does not. */
export async function openStream(facts: JobSpecFacts, act: string, control: Control): Promise<OpenStream | Refusal> {
  const { jobId } = facts.job;
  let job = await control.queues.ledger.job(jobId);
  if (job === null) {
    await ensureJob(jobId, control);
    job = await control.queues.ledger.job(jobId);
  }
  const refuse = (why: string, state: string): Refusal => ({ ...refusal('STATE_CONFLICT', `cannot ${act} ${jobId}: ${why}`), state });
  if (job === null) return refuse('it has ended', 'completed');
  if (job.rebuilding) return refusal('REBUILDING', `cannot ${act} ${jobId}: its ledger is being rebuilt`, true);
  if (isTerminalJobState(job.state)) return refuse(`it is ${job.state}`, job.state);
  if (job.cancelled) return refuse('it is being cancelled', 'cancelled');
  if (job.end !== null) return refuse(`it ends ${job.end.state}: ${job.end.message}`, 'failed');
  if (job.sealed || job.stream === null) return refuse('the stream is sealed', job.state);
  return { facts, job: { ...job, stream: job.stream } };
}

/**
 * Chunks as sent that are accepted and have no outcome. Payloads share chunks of the plan, of which alone the outcomes are known: what lies ahead is
 * counted with the mean number of keys of a chunk, which is exact where each chunk has one.
 */
export function aheadOf(job: Pick<LedgerJobView, 'chunks' | 'stream'>): number {
  const { chunks, stream } = job;
  if (stream === null || stream.chunks === 0) return 0;
  return Math.ceil((Math.max(0, chunks.total - chunks.committed - chunks.dead) * stream.keys) / stream.chunks);
}
