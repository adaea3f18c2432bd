/** Status and result of a job: from the ledger where it has the job, else from the journal. */
import { manifestKey, resultOf, shownFiles } from '@millrace/journal';
import { type AnswerTo, isTerminalJobState, type JobId, type JobStatus, type ResultRequest, type StatusRequest } from '@millrace/protocol';
import { isCountedInPart, type LedgerJobView, noSpeed, type Speed, statusFromLedger } from '@millrace/queues';
import type { Control } from './control.ts';
import { knownJob } from './known-ledger.ts';
import { refusal } from './refusal.ts';

/** Null: there is no such job. */
export async function readStatus(jobId: JobId, control: Control): Promise<JobStatus | null> {
  const job = await knownJob(jobId, control);
  return job === null ? control.journal.readStatus(jobId) : statusOfJob(job, noSpeed, control);
}

/** From the ledger, unless that has only a part of the sums of a job that ended. */
export async function statusOfJob(job: LedgerJobView, speed: Speed, control: Pick<Control, 'journal'>): Promise<JobStatus> {
  const written = isCountedInPart(job) ? await control.journal.readStatus(job.jobId) : null;
  return written ?? statusFromLedger(job, speed);
}

export async function answerStatus(request: StatusRequest, control: Control): Promise<AnswerTo<'status'>> {
  const status = await statusFor(request, control);
  return status === null ? notFound(request.jobId) : { ok: true, kind: 'status', status };
}

export async function answerResult(request: ResultRequest, control: Control): Promise<AnswerTo<'result'>> {
  const status = await statusFor(request, control);
  if (status === null) return notFound(request.jobId);
  if (!isTerminalJobState(status.state)) return { ok: true, kind: 'result', status, result: null };
  const manifest = await control.journal.readManifest(request.jobId, status.generation);
  if (manifest?.record.state !== 'completed') return { ok: true, kind: 'result', status, result: null };
  const uri = `${control.journalUri}/${manifestKey(request.jobId, status.generation)}`;
  const files = await control.journal.firstOfManifest(manifest.record, 'files', shownFiles);
  return { ok: true, kind: 'result', status, result: resultOf(manifest.record, uri, files) };
}

/** Another tenant's job is answered like none. What was written last has the speed too. */
async function statusFor(request: { tenant: string; jobId: JobId }, control: Control): Promise<JobStatus | null> {
  const facts = await control.facts.spec(request.jobId, 1);
  if (facts === null || facts.job.tenant !== request.tenant) return null;
  const status = await readStatus(request.jobId, control);
  const written = await control.queues.events.status(request.tenant, request.jobId);
  const isCurrent = status !== null && written !== null && written.state === status.state && written.generation === status.generation;
  return isCurrent && !isTerminalJobState(status.state)
    ? { ...status, waitingFor: written.waitingFor, bytesPerSecond: written.bytesPerSecond, etaSeconds: written.etaSeconds }
    : status;
}

export function notFound(jobId: JobId) {
  return refusal('NOT_FOUND', `cannot find job ${jobId}`);
}
