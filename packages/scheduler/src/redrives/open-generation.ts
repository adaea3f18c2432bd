/** Opens a job's next generation for an operation, with those of its items that are still as they were frozen. Kept as one command, so it is done once. */
import { type JobView, newestGeneration, specOfGeneration } from '@millrace/journal';
import { type Operation, type Overrides, overriddenSpec, resultVersionOverride, specDigest } from '@millrace/protocol';
import type { Control } from '../control.ts';
import { inSteps } from '../in-steps.ts';
import { unlessRebuilding } from '../known-ledger.ts';
import { selected } from '../next-generation.ts';
import { ensureGeneration } from '../rebuild.ts';
import { isRetired, retiredRefusal } from '../redrive.ts';
import { takenAlready } from '../replay.ts';
import { frozenIn, itemChunk } from './item-outcomes.ts';

/** `waits`: the job has not ended. `nothing`: no item of it is as it was. */
export type OpenEnd = { readonly end: 'opened'; readonly generation: number } | { readonly end: 'waits' } | { readonly end: 'nothing'; readonly why: string };

/** Ids of one job. */
export async function openForOperation(
  operation: Operation,
  jobId: Operation['jobs'][number]['jobId'],
  ids: readonly string[],
  control: Control,
): Promise<OpenEnd> {
  const view = await control.journal.readJob(jobId);
  if (view === null) return { end: 'nothing', why: 'the job is gone' };
  const own = view.commands.find(({ requestId }) => requestId === operation.operationId);
  if (own?.opens != null) {
    await unlessRebuilding(() => ensureGeneration(jobId, own.opens ?? 1, control));
    return { end: 'opened', generation: own.opens };
  }
  if (!view.manifests.some(({ generation }) => generation === view.generation)) return { end: 'waits' };
  if (operation.target === 'rejects') return appendReplay(operation, view, control);
  const select = await selection(view, operation.target, ids, control);
  if (select.length === 0) return { end: 'nothing', why: 'its items were taken up by another redrive' };
  return append(operation, view, select, control);
}

/**
 * Those whose dead letter is still the newest outcome, or that still have none. Of a job that was taken as a whole also what its last attempts have
 * committed since: it is not run again, and the job still has to be finished.
 */
async function selection(view: JobView, target: Operation['target'], ids: readonly string[], control: Control): Promise<string[]> {
  const chunks = new Map(view.chunks.map((chunk) => [`${chunk.stage}.${chunk.chunk.chunk}`, chunk]));
  const unplanned = new Set((await selected({ ...view, chunks: [] }, 'all', control)).files.map(({ file }) => `plan.${file}`));
  const wanted = await inSteps(ids, async (id) => {
    const { stage, chunk } = itemChunk(id);
    const name = `${stage}.${chunk}`;
    if (stage === 'plan') return unplanned.has(name) ? name : null;
    const known = chunks.get(name);
    const frozen = frozenIn(id);
    if (stage === 'finish') return view.generation === frozen ? name : null;
    // Of a chunk without outcome the generation is that of the job.
    if (known === undefined || known.generation > frozen) return null;
    const outcome = (await control.journal.readOutcome(known))?.record.outcome;
    return outcome !== 'committed' || (target === 'jobs' && view.generation === frozen) ? name : null;
  });
  return wanted.filter((name) => name !== null);
}

/** Rejects that another replay took up since stay as they are. */
async function appendReplay(operation: Operation, view: JobView, control: Control): Promise<OpenEnd> {
  const { jobId } = view.job.record;
  const set = operation.correction === null ? null : await control.journal.readCorrection(jobId, operation.correction);
  if (set === null) return { end: 'nothing', why: 'its correction set is gone' };
  const taken = await takenAlready(view, await control.journal.readCorrectionParts(jobId, set.record), control);
  return taken === null ? append(operation, view, [], control) : { end: 'nothing', why: taken.message };
}

const words = { deadLetters: 'redrive', jobs: 'redrive', rejects: 'replay', waiveDeadLetters: 'waive' } as const;

async function append(operation: Operation, view: JobView, select: string[], control: Control): Promise<OpenEnd> {
  const { jobId } = view.job.record;
  const from = view.generation;
  const changed = changesOf(view, operation.overrides);
  await control.journal.putOpenMarker(jobId, from + 1);
  const { operationId, reason, by } = operation;
  const result = await control.journal.appendCommand<OpenEnd>(
    jobId,
    (log) => {
      if (isRetired(log)) return { refuse: { end: 'nothing', why: retiredRefusal(jobId).message } };
      if (newestGeneration(log) !== from) return { refuse: { end: 'waits' } };
      const version = operation.overrides[resultVersionOverride] === 'current' ? control.resultVersion : null;
      const head = {
        jobId,
        command: words[operation.target],
        correction: operation.correction,
        generation: from,
        opens: from + 1,
        resultVersion: version,
      } as const;
      return { append: { ...head, select, ...changed, reason: `${operationId}: ${reason}`.slice(0, 1_000), by, at: control.clock.nowIso() } };
    },
    operationId,
  );
  if ('refused' in result) return result.refused;
  await unlessRebuilding(() => ensureGeneration(jobId, from + 1, control));
  control.log.info({ jobId, operationId, generation: from + 1, items: select.length }, 'generation opened for an operation');
  return { end: 'opened', generation: from + 1 };
}

/** They were judged when the plan was frozen; a job that was redriven with others since is judged anew. */
function changesOf(view: JobView, overrides: Overrides): Pick<JobView['commands'][number], 'spec' | 'specDigest'> {
  const { spec } = specOfGeneration(view, view.generation);
  const overridden = overriddenSpec(spec, overrides);
  if ('issues' in overridden) throw new TypeError(`cannot redrive ${view.job.record.jobId}: ${overridden.issues[0]?.message ?? ''}`);
  return overridden.changes.length === 0 ? { spec: null, specDigest: null } : { spec: overridden.spec, specDigest: specDigest(overridden.spec) };
}
