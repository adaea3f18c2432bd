/**
 * One job from its journal into the ledger: after a loss of Redis, when a marker names a job or generation that the ledger does not have, when a redrive
 * opens a generation, and when ledger and journal have come apart. Set-if-unset throughout, so live marks may come in between. Keeps I1, I9.
 */
import { type ChunkView, type JobView, specOfGeneration, Waivers } from '@millrace/journal';
import {
  type AttemptFailureClass,
  chunkBytes,
  chunkId,
  countsAgainstChunk,
  type FailureRecord,
  isOperationId,
  type JobId,
  type JobRecord,
  jobStages,
  segmentRanges,
  sumsOfChunk,
} from '@millrace/protocol';
import type { LedgerJob } from '@millrace/queues';
import { failpoint } from '@millrace/service-kit/failpoints';
import type { Control } from './control.ts';
import { letterView } from './dead-letter.ts';
import { inSteps } from './in-steps.ts';
import { ledgerJobOf } from './ledger-job.ts';
import { closeForRedrive, planRedrive } from './next-generation.ts';
import { segmentRef } from './segment-ref.ts';
import { streamGeneration, tellStreamSegment } from './tell-stream.ts';

/** Rebuilds the job if it is open in the journal and the ledger does not have its newest generation. Cheap when it does. */
export async function ensureJob(jobId: JobId, control: Control): Promise<void> {
  const known = await control.queues.ledger.job(jobId);
  if (known !== null && !known.rebuilding) return;
  const manifest = await control.journal.readNewestManifest(jobId);
  if (manifest !== null && !(await control.journal.hasOpenMarker(jobId, manifest.record.generation))) return;
  await rebuildJob(jobId, control);
}

/** Brings a generation that a command has opened into the ledger, unless it is there. */
export async function ensureGeneration(jobId: JobId, generation: number, control: Control): Promise<void> {
  const known = await control.queues.ledger.job(jobId);
  if (known === null || known.rebuilding || known.generation < generation) await rebuildJob(jobId, control);
}

/**
 * False when there is no such job: a marker alone is not one. `later`: many jobs are to come back, and this one runs before the bodies of its receipts are
 * read; one without open chunks is read at once, for it ends at once.
 */
export async function rebuildJob(jobId: JobId, control: Control, sums: 'now' | 'later' = 'now'): Promise<boolean> {
  control.facts.forget(jobId);
  const view = await plannedJob(jobId, control);
  if (view === null) return false;
  const { job, isNew } = await enterLedger(view, control);
  await failpoint('rebuild.3-plan', jobId);
  await tellPlan(view, isNew, control);
  await failpoint('rebuild.3-4', jobId);
  await tellOutcomes(view, sums === 'later' && hasOpenChunks(view), control);
  await failpoint('rebuild.4-6', jobId);
  const tried = await tellFailures(view, control);
  await tellRelease(view, tried, control);
  await tellCommands(view, control);
  await tellWork(view, control);
  await failpoint('rebuild.7-8', jobId);
  await control.queues.ledger.setReady(jobId, view.generation);
  await control.queues.events.nudgeLeader(jobId);
  control.log.info({ jobId, generation: view.generation, chunks: view.chunks.length, state: job.state }, 'job rebuilt');
  return true;
}

/**
 * Nothing of a generation may run before the verdicts of the one before it are filled and its plan stands. Each step reads the job for itself, so that there
 * is one view at a time: that of a million chunks takes hundreds of MB.
 */
async function plannedJob(jobId: JobId, control: Control): Promise<JobView | null> {
  const standing = await viewUnless(closeForRedrive, jobId, control);
  if (standing !== null) return standing;
  await viewUnless(planRedrive, jobId, control);
  return control.journal.readJob(jobId);
}

/** Null: there is no such job, or `act` has changed it. */
async function viewUnless(act: (view: JobView, control: Control) => Promise<boolean>, jobId: JobId, control: Control): Promise<JobView | null> {
  const view = await control.journal.readJob(jobId);
  return view === null || (await act(view, control)) ? null : view;
}

async function enterLedger(view: JobView, control: Control): Promise<{ job: LedgerJob; isNew: boolean }> {
  const { ledger } = control.queues;
  const { record } = view.job;
  const { generation } = view;
  const of = { generation, ...specOfGeneration(view, generation) };
  const job = ledgerJobOf(record, of, control.pool, stateOf(view), resultVersionOf(view, record));
  await dropOlderSums(view, control);
  const isNew = (await ledger.createJob(job, { recreated: true, rebuilding: true })) || (await ledger.reopen(job, { rebuilding: true }));
  return { job, isNew };
}

/** With reduce stages an older receipt may count no more, and only the journal knows which: the ledger begins anew in each generation. */
async function dropOlderSums(view: JobView, control: Control): Promise<void> {
  const { record } = view.job;
  if (jobStages(record).every(({ kind }) => kind === 'map')) return;
  const known = await control.queues.ledger.job(record.jobId);
  if (known !== null && known.generation < view.generation) await control.queues.ledger.dropJob(record.jobId);
}

function stateOf(view: JobView): LedgerJob['state'] {
  if (view.manifests.some((manifest) => manifest.generation === view.generation)) return 'finishing';
  return (view.plans.at(-1)?.segments.length ?? 0) > 0 ? 'running' : 'accepted';
}

function resultVersionOf(view: JobView, record: JobRecord): number {
  const opening = view.commands.filter((command) => command.opens !== null && command.opens <= view.generation && command.resultVersion !== null).at(-1);
  return opening?.resultVersion ?? record.resultVersion;
}

/** Chunks of earlier plans are known as totals; those of the newest are listed by its segments. */
async function tellPlan(view: JobView, isNew: boolean, control: Control): Promise<void> {
  const { ledger } = control.queues;
  const { jobId } = view.job.record;
  const plan = view.plans.at(-1);
  const older = countingChunks(view).filter((chunk) => (chunk.listedIn[0] ?? 0) < view.generation);
  const olderIndexes = new Set(older.map(({ chunk }) => chunk.chunk));
  if (isNew) {
    const stages: Record<string, number> = {};
    for (const { stage } of older) stages[stage] = (stages[stage] ?? 0) + 1;
    await ledger.setTotals(jobId, view.generation, { chunks: older.length, bytes: older.reduce((sum, { chunk }) => sum + chunkBytes(chunk), 0), stages });
  }
  for (const stored of plan?.segments ?? []) {
    const isFresh = !stored.record.chunks.some(({ chunk }) => olderIndexes.has(chunk));
    if (view.job.record.stream && view.generation === streamGeneration) {
      await tellStreamSegment(stored, control);
      continue;
    }
    await ledger.recordSegment(jobId, view.generation, segmentRef(stored), isFresh);
  }
  if (!plan?.sealed) return;
  await ledger.sealPlan(jobId, view.generation, plan.sealed);
  let upTo = plan.segments.length;
  for (const [index, { stage, segments, sealed }] of plan.stages.entries()) {
    if (sealed === null) return;
    upTo += segments.length;
    const added = new Map(
      segments.map(({ record }) => [record.segment, segmentRanges({ ...record, chunks: record.chunks.filter(({ chunk }) => !olderIndexes.has(chunk)) })]),
    );
    const fresh = ({ segment }: { segment: number }) => {
      const ranges = added.get(segment);
      return { chunks: ranges?.ranges.reduce((sum, [, count]) => sum + count, 0) ?? 0, bytes: ranges?.bytes ?? 0 };
    };
    await ledger.sealStage(jobId, view.generation, { index, stage, segments: segments.map(segmentRef), upTo, rebuilt: true, fresh });
  }
}

/** Partitions count when the plan of their stage in the newest generation stands: before that nobody knows which of them run again. */
function countingChunks(view: JobView): ChunkView[] {
  const open = new Set(view.plans.at(-1)?.stages.flatMap(({ stage, sealed }) => (sealed === null ? [stage] : [])));
  return view.chunks.filter(({ stage, chunk }) => chunk.kind !== 'partition' || !open.has(stage));
}

/**
 * By name first, so that counts are right at once. A verdict with a dead letter is read to see which it holds; bodies of the others are read for the sums,
 * `byName` beside everything else (`count-receipts.ts`).
 */
async function tellOutcomes(view: JobView, byName: boolean, control: Control): Promise<void> {
  const { ledger } = control.queues;
  const { jobId } = view.job.record;
  const filled = filledChunks(view);
  const unclear: ChunkView[] = [];
  for (const { name: stage } of jobStages(view.job.record)) {
    const dead = new Set<string>();
    for await (const letter of control.journal.listDeadLetters(jobId, stage)) dead.add(`${letter.chunk}.${letter.generation}`);
    const { committed = [], lettered = [] } = Object.groupBy(
      filled.filter((chunk) => chunk.stage === stage),
      (chunk) => (dead.has(`${chunk.chunk.chunk}.${chunk.generation}`) ? 'lettered' : 'committed'),
    );
    unclear.push(...(byName ? lettered : [...lettered, ...committed]));
    await ledger.setOutcomes(
      jobId,
      view.generation,
      stage,
      committed.map(({ chunk }) => chunk.chunk),
    );
  }
  const waivers = new Waivers(view.commands);
  await inSteps(unclear, (chunk) => tellOutcome(chunk, view, waivers, control));
  for (const file of view.plannedFiles) if (file.generation === view.generation) await tellDead('plan', file.chunk, view, waivers, control);
}

const hasOpenChunks = (view: JobView): boolean => filledChunks(view).length < view.chunks.length;

/** Chunks whose verdict counts and is filled. */
export function filledChunks(view: JobView): ChunkView[] {
  return countingChunks(view).filter((chunk) => chunk.verdicts.some((verdict) => verdict.generation === chunk.generation));
}

export async function tellOutcome(chunk: ChunkView, view: JobView, waivers: Waivers, control: Control): Promise<void> {
  const verdict = (await control.journal.readOutcome(chunk))?.record;
  const { jobId } = view.job.record;
  if (verdict?.outcome === 'committed') {
    const sums = sumsOfChunk(chunk.chunk, verdict);
    await control.queues.ledger.markCommitted(chunkId(jobId, chunk.stage, chunk.chunk.chunk), view.generation, sums);
  } else if (verdict?.outcome === 'dead') {
    await tellDead(chunk.stage, chunk.chunk.chunk, view, waivers, control, chunk.generation);
  }
}

/** A waived one is dead, and no letter of it is open. */
async function tellDead(stage: string, chunk: number, view: JobView, waivers: Waivers, control: Control, generation = view.generation): Promise<void> {
  const { jobId } = view.job.record;
  const letter = await control.journal.readDeadLetter(jobId, stage, chunk, generation);
  if (letter === null) return;
  const id = chunkId(jobId, stage, chunk);
  const isWaived = waivers.of(stage, chunk, generation) !== null;
  await control.queues.ledger.markDead(id, view.generation, isWaived ? null : letterView(letter.record, letter.key));
}

/** Attempts used by chunks without outcome in this generation: a restart gives nobody fresh ones. Answers how many chunks have some. */
async function tellFailures(view: JobView, control: Control): Promise<number> {
  const { jobId } = view.job.record;
  const open = new Map(
    countingChunks(view)
      .filter((chunk) => chunk.generation === view.generation && chunk.verdicts.every((verdict) => verdict.generation !== view.generation))
      .map((chunk) => [chunk.chunk.chunk, chunk]),
  );
  const failed = new Set<ChunkView>();
  for (const { name: stage } of jobStages(view.job.record)) {
    for await (const { chunk } of control.journal.listFailures(jobId, stage)) {
      const view = open.get(chunk);
      if (view) failed.add(view);
    }
  }
  return (await inSteps([...failed], (chunk) => restore(chunk, view, control))).filter((wasTried) => wasTried).length;
}

/** False: nothing of it failed in this generation. */
async function restore(chunk: ChunkView, view: JobView, control: Control): Promise<boolean> {
  const { jobId } = view.job.record;
  const stored = await control.journal.readFailures(jobId, chunk.stage, chunk.chunk.chunk);
  const failures = stored.filter(({ record }) => record.generation === view.generation && countsAgainstChunk(record));
  const last = failures[0];
  if (!last) return false;
  const past = { input: 0, transient: 0, resource: 0, crash: 0, lost: 0, bug: 0 };
  for (const { record } of failures) past[countedAs(record)] += 1;
  const { code, message, fingerprint } = last.record;
  const wasBisected = failures.some(({ record }) => record.mode === 'bisect');
  const mode = wasBisected || past.crash + Math.floor(past.lost / 3) >= 2 ? 'bisect' : last.record.mode;
  const { segment } = chunk;
  await control.queues.ledger.restoreChunk({
    chunkId: chunkId(jobId, chunk.stage, chunk.chunk.chunk),
    generation: view.generation,
    segmentKey: segment.key,
    segmentDigest: segment.digest,
    bytes: chunkBytes(chunk.chunk),
    mode,
    past,
    crashedOn: failures.flatMap(({ record }) => (countedAs(record) === 'crash' ? [record.worker] : [])),
    last: { class: countedAs(last.record), code, message, fingerprint, recordKey: last.key },
  });
  return true;
}

/** What an operation releases stands still until its driver says how many may begin; until then only what had begun goes on. */
async function tellRelease(view: JobView, tried: number, control: Control): Promise<void> {
  const { jobId } = view.job.record;
  const opening = view.commands.find((command) => command.opens === view.generation);
  // Only a redrive lets chunks begin a few at a time.
  if (opening?.requestId == null || opening.command !== 'redrive' || !isOperationId(opening.requestId)) return;
  const operation = await control.journal.readRegistered('operations', opening.requestId);
  if (operation === null || operation.body.endedAt !== null) return;
  const hasOutcome = ({ listedIn, verdicts }: ChunkView): boolean => listedIn.at(-1) === view.generation && verdicts.at(-1)?.generation === view.generation;
  await control.queues.ledger.setRelease(jobId, view.generation, 'hold', view.chunks.filter(hasOutcome).length + tried);
  await control.queues.operations.add(opening.requestId);
}

function countedAs(record: FailureRecord): AttemptFailureClass {
  if (record.outcome === 'lost') return 'lost';
  return record.class === 'data' ? 'bug' : record.class;
}

/** Pauses, resumes and cancels of this generation, in order. */
async function tellCommands(view: JobView, control: Control): Promise<void> {
  const { jobId } = view.job.record;
  for (const command of view.commands) {
    const flags = flagsOf(command.command);
    if (command.generation === view.generation && flags) await control.queues.ledger.applyFlags(jobId, view.generation, command.number, flags);
  }
}

export function flagsOf(command: string): { paused?: boolean; cancelled?: boolean } | null {
  if (command === 'pause') return { paused: true };
  if (command === 'resume') return { paused: false };
  return command === 'cancel' ? { cancelled: true } : null;
}

async function tellWork(view: JobView, control: Control): Promise<void> {
  const { jobId } = view.job.record;
  if (stateOf(view) === 'finishing') await control.queues.ledger.addWork(jobId, view.generation, { kind: 'finish' });
}
