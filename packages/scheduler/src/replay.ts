/**
 * Replay: rejects of a terminal job are read once more, as they were or corrected, as chunks of its next generation. What they name was checked when the set
 * was put; here it is checked that nothing takes the place of one reject twice, and that becomes a command. `next-generation.ts` does what it says.
 */
import { type JobView, newestGeneration } from '@millrace/journal';
import type { AnswerTo, CorrectionPart, JobId, Refusal, ReplayRequest } from '@millrace/protocol';
import type { Control } from './control.ts';
import { unlessRebuilding } from './known-ledger.ts';
import { cutFile, selected } from './next-generation.ts';
import { notFound } from './read-status.ts';
import { rebuildJob } from './rebuild.ts';
import { isRetired, type Override, overrideOf, retiredRefusal } from './redrive.ts';
import { refusal } from './refusal.ts';

type ReplayAnswer = AnswerTo<'replay'>;

export async function replayRejects(request: ReplayRequest, control: Control): Promise<ReplayAnswer> {
  const view = await control.journal.readJob(request.jobId);
  if (view === null || view.job.record.tenant !== request.tenant) return notFound(request.jobId);
  const standing = view.commands.find(({ requestId }) => requestId === request.requestId);
  const set = await control.journal.readCorrection(request.jobId, request.correctionId);
  if (set === null) return refusal('NOT_FOUND', `cannot replay: job ${request.jobId} has no correction set ${request.correctionId}`);
  const counts = { records: set.record.records, chunks: set.record.parts };
  // Asked again after its answer was lost.
  if (standing?.opens) return { ok: true, kind: 'replay', jobId: request.jobId, number: standing.number, generation: standing.opens, ...counts };
  const parts = await control.journal.readCorrectionParts(request.jobId, set.record);
  const refused = (await whyNotReplay(view, request.jobId, control)) ?? (await takenAlready(view, parts, control));
  if (refused !== null) return refused;
  const override = await overrideOf(view, request, control);
  if ('refused' in override) return override.refused;
  return openReplay(view, request, override, counts, control);
}

export async function whyNotReplay(view: JobView, jobId: JobId, control: Control): Promise<Refusal | null> {
  const { generation } = view;
  if (!view.manifests.some((manifest) => manifest.generation === generation)) {
    return { ...refusal('STATE_CONFLICT', `cannot replay rejects of ${jobId}: generation ${generation} has not ended yet`), state: 'running' };
  }
  if (view.commands.some(({ retires }) => retires !== null)) return retiredRefusal(jobId);
  const { files } = await selected(view, [], control);
  if (cutFile(view) !== null || files.length > 0) {
    return { ...refusal('STATE_CONFLICT', `cannot replay rejects of ${jobId}: not all of its files are planned; redrive it first`), state: 'failed' };
  }
  return null;
}

/** A reject has one fate: once replayed it is none any more, and while a chunk of an earlier replay may still run it must not stand in another. */
export async function takenAlready(view: JobView, parts: readonly CorrectionPart[], control: Control): Promise<Refusal | null> {
  const { replaced, pending } = await control.journal.replayedRejects(view);
  const ids = parts.flatMap(({ payloads }) => payloads.map(({ key }) => key));
  const twice = ids.filter((id) => replaced.has(id));
  if (twice.length > 0) return refusal('REJECT_REPLAYED', `cannot replay: ${named(twice)} ${twice.length === 1 ? 'was' : 'were'} replayed already`);
  const waiting = ids.find((id) => pending.has(id));
  if (waiting === undefined) return null;
  return refusal('REJECT_REPLAYED', `cannot replay: chunk ${pending.get(waiting)} of an earlier replay names ${waiting}; redrive that chunk`);
}

const named = (ids: readonly string[]): string => `${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ` and ${ids.length - 3} more` : ''}`;

async function openReplay(
  view: JobView,
  request: ReplayRequest,
  override: Override,
  counts: { readonly records: number; readonly chunks: number },
  control: Control,
): Promise<ReplayAnswer> {
  const { jobId, requestId, correctionId, reason, by } = request;
  const from = view.generation;
  await control.journal.putOpenMarker(jobId, from + 1);
  const result = await control.journal.appendCommand<ReplayAnswer>(
    jobId,
    (log) => {
      if (isRetired(log)) return { refuse: retiredRefusal(jobId) };
      if (newestGeneration(log) !== from) {
        return { refuse: { ...refusal('STATE_CONFLICT', `cannot replay rejects of ${jobId}: another redrive or replay was first`), state: 'running' } };
      }
      const acts = { jobId, command: 'replay', generation: from, opens: from + 1, select: [], correction: correctionId, resultVersion: null } as const;
      return { append: { ...acts, select: [], ...override, reason, by, at: control.clock.nowIso() } };
    },
    requestId,
  );
  if ('refused' in result) return result.refused;
  await unlessRebuilding(() => rebuildJob(jobId, control));
  control.log.info({ jobId, generation: from + 1, correctionId, counts }, 'replay opened');
  return { ok: true, kind: 'replay', jobId, number: result.appended.record.number, generation: from + 1, ...counts };
}
