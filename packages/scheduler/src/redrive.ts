/**
 * Redrive: a terminal job goes on as its next generation. What is asked is checked here and becomes a command; `next-generation.ts` does what the
 * command says, and any scheduler that finds it goes on with it.
 */
import { isFullyPlanned, type JobView, newestGeneration, specOfGeneration } from '@millrace/journal';
import {
  type AnswerTo,
  type Command,
  type JobId,
  overrideIssues,
  type RedriveRequest,
  type Refusal,
  type ResolvedJobSpec,
  specDifferences,
  specDigest,
} from '@millrace/protocol';
import { failpoint } from '@millrace/service-kit/failpoints';
import { checkColumns, checkWritten } from './check-spec.ts';
import type { Control } from './control.ts';
import { unlessRebuilding } from './known-ledger.ts';
import { selected } from './next-generation.ts';
import { notFound } from './read-status.ts';
import { rebuildJob } from './rebuild.ts';
import { refusal, specRefusal } from './refusal.ts';
import { withSchemasOf } from './schema-files.ts';

type RedriveAnswer = AnswerTo<'redrive'>;

export async function redriveJob(request: RedriveRequest, control: Control): Promise<RedriveAnswer> {
  const { jobId } = request;
  const opened = await openGeneration(request, control);
  if ('ok' in opened) return opened;
  await failpoint('redrive.command-close', jobId);
  // The job as it was read to open it is forgotten by now: that of a million chunks takes hundreds of MB, and the rebuild reads its own.
  await unlessRebuilding(() => rebuildJob(jobId, control));
  const { number, generation, chunks, files } = opened;
  control.log.info({ jobId, number, generation, chunks, files }, 'generation opened');
  return { ok: true, kind: 'redrive', jobId, number, generation, chunks };
}

interface Opened {
  readonly number: number;
  readonly generation: number;
  /** What enters it. */
  readonly chunks: number;
  readonly files: number;
}

/** The command stands; or why not. */
async function openGeneration(request: RedriveRequest, control: Control): Promise<Opened | RedriveAnswer> {
  const view = await control.journal.readJob(request.jobId);
  if (view === null || view.job.record.tenant !== request.tenant) return notFound(request.jobId);
  const refused = whyNot(view, request);
  if (refused !== null) return refused;
  const override = await overrideOf(view, request, control);
  if ('refused' in override) return override.refused;
  return appendRedrive(view, request, override, control);
}

function whyNot(view: JobView, request: RedriveRequest): RedriveAnswer | null {
  const { generation } = view;
  if (!view.manifests.some((manifest) => manifest.generation === generation)) {
    return { ...refusal('STATE_CONFLICT', `cannot redrive ${request.jobId}: generation ${generation} has not ended yet`), state: 'running' };
  }
  return isRetired(view.commands) ? retiredRefusal(request.jobId) : null;
}

/** Whether what a redrive or a replay would need has been removed. */
export const isRetired = (log: readonly Command[]): boolean => log.some(({ retires }) => retires === 'history');

export const retiredRefusal = (jobId: JobId): Refusal => refusal('GONE', `cannot go on with ${jobId}: its history was removed when its retention ended`);

export interface Override {
  readonly spec: ResolvedJobSpec | null;
  readonly specDigest: string | null;
}

export async function overrideOf(
  view: JobView,
  request: { readonly spec: unknown; readonly tenant: string },
  control: Control,
): Promise<Override | { refused: Refusal }> {
  if (request.spec === null) return { spec: null, specDigest: null };
  const checked = checkWritten(request.spec, request.tenant);
  if ('issues' in checked) return { refused: specRefusal('redrive job', checked.issues) };
  const before = specOfGeneration(view, view.generation).spec;
  // A schema by URI means the one that the job has taken from there.
  const spec = withSchemasOf(checked.spec, before);
  const issues = overrideIssues(specDifferences(before, spec));
  if (issues.length > 0) return { refused: specRefusal('redrive job', issues) };
  const issue = await checkColumns(view.job.record.jobId, before, spec, control);
  if (issue !== null) return { refused: specRefusal('redrive job', [issue]) };
  return { spec, specDigest: specDigest(spec) };
}

/**
 * With no chunk and no file to run again some jobs have still not come to their end: one of which a later stage was not planned, one that was cancelled or
 * ran out of its time when everything was committed, and one that failed by a budget alone, whose receipts are judged anew by a larger one.
 */
export function hasOnlyToFinish(view: JobView, isOverridden: boolean): boolean {
  const plan = view.plans.at(-1);
  if (plan !== undefined && !isFullyPlanned(plan)) return true;
  const manifest = view.manifests.find(({ generation }) => generation === view.generation);
  const code = manifest?.failure?.code ?? '';
  return manifest?.state === 'cancelled' || code === 'JOB_TIME_LIMIT' || (isOverridden && code.startsWith('BUDGET_'));
}

async function appendRedrive(view: JobView, request: RedriveRequest, override: Override, control: Control): Promise<Opened | RedriveAnswer> {
  const { jobId } = request;
  const from = view.generation;
  const entering = await selected(view, request.select, control);
  const isNothing = entering.chunks.length === 0 && entering.files.length === 0;
  if (isNothing && !hasOnlyToFinish(view, override.spec !== null)) {
    return refusal('PLAN_EMPTY', `cannot redrive ${jobId}: nothing selected is without receipt`);
  }
  await control.journal.putOpenMarker(jobId, from + 1);
  await failpoint('redrive.marker-command', jobId);
  const result = await control.journal.appendCommand<RedriveAnswer>(
    jobId,
    (log) => {
      if (isRetired(log)) return { refuse: retiredRefusal(jobId) };
      if (newestGeneration(log) !== from)
        return { refuse: { ...refusal('STATE_CONFLICT', `cannot redrive ${jobId}: another redrive was first`), state: 'running' } };
      const { reason, by, select } = request;
      const append = {
        jobId,
        command: 'redrive',
        generation: from,
        opens: from + 1,
        select,
        resultVersion: null,
        ...override,
        reason,
        by,
        at: control.clock.nowIso(),
      } as const;
      return { append: { ...append, select: select === 'all' ? select : [...select] } };
    },
    request.requestId,
  );
  if ('refused' in result) return result.refused;
  return { number: result.appended.record.number, generation: from + 1, chunks: entering.chunks.length, files: entering.files.length };
}
