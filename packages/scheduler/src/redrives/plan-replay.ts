/** Freezes a replay: rejects of one job whose bytes stand as a set of corrections. What cannot be was told by whoever gathered them. */
import { type AnswerTo, maxShownCannot, type PlanReplayRequest } from '@millrace/protocol';
import type { Control } from '../control.ts';
import { notFound } from '../read-status.ts';
import { refusal } from '../refusal.ts';
import { takenAlready, whyNotReplay } from '../replay.ts';
import { changesOf, putPlan } from './freeze-plan.ts';
import { standingOf } from './job-standing.ts';

export async function planReplay(request: PlanReplayRequest, control: Control): Promise<AnswerTo<'planReplay'>> {
  const { jobId, tenant, correctionId } = request;
  const view = await control.journal.readJob(jobId);
  if (view === null || view.job.record.tenant !== tenant) return notFound(jobId);
  const set = await control.journal.readCorrection(jobId, correctionId);
  if (set === null) return refusal('NOT_FOUND', `cannot plan a replay: job ${jobId} has no correction set ${correctionId}`);
  const parts = await control.journal.readCorrectionParts(jobId, set.record);
  const refused = (await whyNotReplay(view, jobId, control)) ?? (await takenAlready(view, parts, control));
  if (refused !== null) return refused;
  const standing = await standingOf(jobId, control);
  const jobs = new Map(standing === null ? [] : [[jobId, standing]]);
  const changes = await changesOf(request, jobs, control);
  if ('ok' in changes) return changes;
  const items = parts.flatMap(({ payloads }) =>
    payloads.map(({ key, length, origin }) => ({ jobId, id: key, code: origin.errors[0]?.code ?? 'REJECT_UNKNOWN', bytes: length, isPartition: false })),
  );
  const { cannot, filter } = request;
  const selection = { filter, matched: items.length + cannot.length, resolvedSince: 0, items, cannot: cannot.slice(0, maxShownCannot), warnings: [] };
  const plan = await putPlan({ ...request, target: 'rejects', correction: correctionId }, selection, jobs, changes, control);
  return { ok: true, kind: 'planReplay', plan };
}
