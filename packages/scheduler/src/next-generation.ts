/**
 * The journal's side of a redrive, from its command on: every open verdict of the generations before is filled with `closed`, then the plan of the new
 * one is put, and only then the ledger is told. So nothing of g+1 runs while a verdict of g is open. Each step is a put-if-absent. Keeps I2.
 */
import { allSegments, type ChunkView, isFullyPlanned, type JobView, type Stored, specOfGeneration } from '@millrace/journal';
import {
  type Chunk,
  type Command,
  chunkBytes,
  entryStageOf,
  fileShares,
  filesOfChunk,
  type InlineChunk,
  isReplay,
  type JobId,
  type JobRecord,
  jobStages,
  maxSegmentChunks,
  plannedRecords,
  type Sealed,
  type Segment,
  type Unplannable,
} from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import { failpoint } from '@millrace/service-kit/failpoints';
import type { Control } from './control.ts';
import { inSteps } from './in-steps.ts';

/** The first half of a redrive whose new plan is not there yet. False: there is none, nothing was changed; else the job is to be read anew. */
export async function closeForRedrive(view: JobView, control: Control): Promise<boolean> {
  const command = commandToPlan(view);
  if (command === null) return false;
  const { jobId } = view.job.record;
  // Also the generation itself: a redrive of a redrive finds its marker by this order.
  await control.journal.putOpenMarker(jobId, view.generation);
  await closeGenerations(view, command, control);
  await failpoint('redrive.close-plan', jobId);
  return true;
}

/** The second half, for a job as it stands behind the first. False: its plan stands already. */
export async function planRedrive(view: JobView, control: Control): Promise<boolean> {
  const command = commandToPlan(view);
  if (command === null) return false;
  await planGeneration(view, command, control);
  return true;
}

/** Null: no command has opened the newest generation, or its plan is there. */
function commandToPlan(view: JobView): Command | null {
  const command = view.commands.find((one) => one.opens === view.generation);
  return command === undefined || isPlanned(view) ? null : command;
}

/** Planned: sealed, or its copies stand and files are being planned behind them. Replayed records are listed like copies, before the seal. */
function isPlanned(view: JobView): boolean {
  const plan = view.plans.at(-1);
  if (plan === undefined || plan.sealed !== null) return true;
  return plan.segments.length > 0 && plan.segments.some(({ record }) => record.chunks.some((chunk) => !isReplay(chunk) && isFirstListed(view, chunk.chunk)));
}

function isFirstListed(view: JobView, index: number): boolean {
  return view.chunks.find(({ chunk }) => chunk.chunk === index)?.listedIn[0] === view.generation;
}

/** Oldest first: the plan is sealed as it stands, then every open verdict of what it lists is filled with `closed`. */
async function closeGenerations(view: JobView, command: Command, control: Control): Promise<void> {
  for (const plan of view.plans.filter(({ generation }) => generation < view.generation)) {
    if (!isFullyPlanned(plan)) await sealAsItStands(view, plan.generation, control);
  }
  const { jobId } = view.job.record;
  const open = view.chunks.flatMap((chunk) => {
    const generation = chunk.listedIn.findLast((listed) => listed < view.generation);
    return generation === undefined || chunk.verdicts.some((verdict) => verdict.generation === generation) ? [] : [{ chunk, generation }];
  });
  await inSteps(open, async ({ chunk, generation }) => {
    const { stage } = chunk;
    const head = { record: 'verdict', version: 1, outcome: 'closed', jobId, stage, chunk: chunk.chunk.chunk } as const;
    await control.journal.putVerdict({ ...head, generation, command: command.number });
  });
}

async function sealAsItStands(view: JobView, generation: number, control: Control): Promise<void> {
  const { record } = view.job;
  const before = view.plans[generation - 1];
  if (before?.sealed === null) await sealFiles(view, generation, control);
  // A later stage that was never planned is sealed empty, so that a planner that wakes up late puts nothing.
  let from = (await control.journal.readPlan(record, generation)).segments.length;
  for (const { stage, sealed } of before?.stages ?? []) {
    if (sealed === null) await sealLater(record, generation, stage, from, control);
    from += (await stageSegments(record, generation, stage, control)).length;
  }
}

async function stageSegments(job: JobRecord, generation: number, stage: string, control: Control): Promise<readonly Stored<'segment'>[]> {
  return (await control.journal.readPlan(job, generation)).stages.find((one) => one.stage === stage)?.segments ?? [];
}

async function sealLater(job: JobRecord, generation: number, stage: string, from: number, control: Control): Promise<void> {
  const { jobId } = job;
  await putEndMark({ jobId, generation, stage }, from + (await stageSegments(job, generation, stage, control)).length, control);
  const segments = await stageSegments(job, generation, stage, control);
  await control.journal.putSealed({ ...sealOf(jobId, generation, segments, []), stage });
}

/** Behind the last segment, wherever that is when the mark is put. */
async function putEndMark(of: { jobId: JobId; generation: number; stage: string | null }, from: number, control: Control): Promise<void> {
  for (let segments = from; ; segments++) {
    const end = await control.journal.putPlanEnd({ record: 'planEnd', version: 1, ...of, segments });
    if (end.stored.record.record === 'planEnd') return;
  }
}

async function sealFiles(view: JobView, generation: number, control: Control): Promise<void> {
  const { jobId } = view.job.record;
  await putEndMark({ jobId, generation, stage: null }, view.plans[generation - 1]?.segments.length ?? 0, control);
  const plan = await control.journal.readPlan(view.job.record, generation);
  const reason = { code: 'JOB_FAILED', message: 'the generation ended before this file was planned' };
  const unplannable = (await unplannedFiles(view, control)).map(({ file, uri }) => ({ file, uri, ...reason }));
  await control.journal.putSealed(sealOf(jobId, generation, plan.segments, unplannable));
}

/** Files that no plan has read to their end. */
async function unplannedFiles(view: JobView, control: Control): Promise<{ file: number; uri: string }[]> {
  const ended = new Set(view.plans.flatMap(({ segments }) => segments.flatMap(({ record }) => record.ended.map(({ file }) => file))));
  const files = await control.facts.files(view.job.record.jobId);
  return [...files.values()].filter(({ file }) => !ended.has(file)).map(({ file, uri }) => ({ file, uri }));
}

/** A file of which some chunks are planned and the rest is not: only an early end leaves one. */
export function cutFile(view: JobView): number | null {
  const segments = view.plans.flatMap((plan) => plan.segments);
  const ended = new Set(segments.flatMap(({ record }) => record.ended.map(({ file }) => file)));
  const shares = segments.flatMap(({ record }) => record.chunks.flatMap(fileShares));
  return shares.find(({ file }) => !ended.has(file))?.file ?? null;
}

interface Entering {
  /** Dead ones first: an operation that lets them begin a few at a time counts in this order. */
  readonly chunks: readonly ChunkView[];
  readonly files: readonly { file: number; uri: string }[];
}

/** What enters the next generation: dead and selected, or without any outcome. Files that were not planned go all or not at all. */
export async function selected(view: JobView, select: Command['select'], control: Control): Promise<Entering> {
  const names = select === 'all' ? null : new Set(select);
  const dead: ChunkView[] = [];
  const open: ChunkView[] = [];
  const outcomes = await inSteps(view.chunks, async (chunk) => (await control.journal.readOutcome(chunk))?.record.outcome ?? 'open');
  for (const [index, chunk] of view.chunks.entries()) {
    const outcome = outcomes[index];
    if (outcome === 'open' || outcome === 'closed') open.push(chunk);
    else if (outcome === 'dead' && (names === null || names.has(`${chunk.stage}.${chunk.chunk.chunk}`))) dead.push(chunk);
  }
  const unplanned = await unplannedFiles(view, control);
  const wanted = names === null || unplanned.some(({ file }) => names.has(`plan.${file}`)) || view.plans.at(-1)?.sealed === null;
  return { chunks: [...dead, ...open], files: wanted ? unplanned : [] };
}

/** Copies of what enters, from the plans that first listed it. When files are planned again too, the plan stays open for them. */
async function planGeneration(view: JobView, command: Command, control: Control): Promise<void> {
  const { jobId } = view.job.record;
  const { generation } = view;
  const before = { ...view, generation: generation - 1, chunks: view.chunks.map((chunk) => asOf(chunk, generation - 1)) };
  // A waiver names what is not to be run again.
  const entering = await selected(before, command.command === 'waive' ? [] : command.select, control);
  const digest = specOfGeneration(view, generation).specDigest;
  const listed = new Set((view.plans.at(-1)?.segments ?? []).flatMap(({ record }) => record.chunks.map(({ chunk }) => chunk)));
  // Partitions enter when their stage is planned again: the core sees which inputs changed, and which have no receipt.
  const rest = entering.chunks.filter(({ chunk }) => chunk.kind !== 'partition' && !listed.has(chunk.chunk));
  let number = view.plans.at(-1)?.segments.length ?? 0;
  for (const some of segmentsOf(rest)) {
    const put = await control.journal.putSegment(segmentOf(some, generation, number, digest));
    if (put.outcome === 'lost') throw new AppError('PLAN_CONFLICT', `cannot plan generation ${generation} of ${jobId}: segment ${number} is another one`);
    number += 1;
  }
  await putReplay(view, command, { number, digest, listed }, control);
  if (entering.files.length > 0) return;
  await failpoint('redrive.plan-seal', jobId);
  const plan = await control.journal.readPlan(view.job.record, generation);
  await control.journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation, stage: null, segments: plan.segments.length });
  const left = await unplannedFiles(view, control);
  const known = new Map((view.plans.at(-2)?.sealed?.unplannable ?? []).map((file) => [file.file, file]));
  const unplannable = left.flatMap(({ file }) => known.get(file) ?? []);
  await control.journal.putSealed(sealOf(jobId, generation, plan.segments, unplannable));
}

/**
 * The chunks of a replay, numbered behind every chunk of the generations before: a segment for each part of its corrections. Where keys are unique they
 * enter with their keys; the stage that rejected their records is planned over them once the owners are known.
 */
async function putReplay(
  view: JobView,
  { correction }: Command,
  of: { readonly number: number; readonly digest: string; readonly listed: ReadonlySet<number> },
  control: Control,
): Promise<void> {
  if (correction === null) return;
  const { jobId } = view.job.record;
  const set = await control.journal.readCorrection(jobId, correction);
  if (set === null || view.pins === null) throw new AppError('JOURNAL_UNSAFE', `cannot replay ${correction} of ${jobId}: it was there and is gone`);
  const first = 1 + highestChunk(view);
  const stages = jobStages(view.job.record);
  let { number } = of;
  for (const { part, stage: rejectedIn, key, offset, length, sha256, payloads } of await control.journal.readCorrectionParts(jobId, set.record)) {
    const chunk: InlineChunk = { chunk: first + part, kind: 'inline', key, offset, length, sha256, payloads };
    if (of.listed.has(chunk.chunk)) continue;
    const files = filesNamed(view, [chunk]);
    const stage = entryStageOf(stages, rejectedIn);
    const head = { record: 'segment', version: 1, jobId, generation: view.generation, stage, segment: number, specDigest: of.digest } as const;
    const put = await control.journal.putSegment({ ...head, pinsDigest: view.pins.digest, firstChunk: chunk.chunk, files, chunks: [chunk], ended: [] });
    if (put.outcome === 'lost') throw new AppError('PLAN_CONFLICT', `cannot plan generation ${view.generation} of ${jobId}: segment ${number} is another one`);
    number += 1;
    await failpoint('replay.segment-next', jobId);
  }
}

/** Of all generations before the newest. */
function highestChunk(view: JobView): number {
  const records = view.plans.slice(0, -1).flatMap((plan) => allSegments(plan).map(({ record }) => record));
  return records.reduce((highest, { chunks }) => chunks.reduce((above, { chunk }) => Math.max(above, chunk), highest), -1);
}

/** As the newest plan that names each file has it. */
function filesNamed(view: JobView, chunks: readonly Chunk[]): Segment['files'] {
  const wanted = new Set(chunks.flatMap(filesOfChunk));
  const known = view.plans.flatMap(({ segments }) => segments.flatMap(({ record }) => record.files)).filter(({ file }) => wanted.has(file));
  return [...new Map(known.map((file) => [file.file, file])).values()].sort((a, b) => a.file - b.file);
}

/** In the order given; a segment holds chunks of one stage, and not too many. */
function segmentsOf(chunks: readonly ChunkView[]): ChunkView[][] {
  const segments: ChunkView[][] = [];
  for (const chunk of chunks) {
    const last = segments.at(-1);
    if (last !== undefined && last.length < maxSegmentChunks && last[0]?.stage === chunk.stage) last.push(chunk);
    else segments.push([chunk]);
  }
  return segments;
}

/** The chunk as it stood in the generation before: what a half written plan of the new one lists does not count yet. */
function asOf(chunk: ChunkView, generation: number): ChunkView {
  if (chunk.generation <= generation) return chunk;
  const listedIn = chunk.listedIn.filter((listed) => listed <= generation);
  return { ...chunk, listedIn, generation: listedIn.at(-1) ?? generation };
}

function segmentOf(chunks: readonly ChunkView[], generation: number, segment: number, digest: string): Segment {
  const first = chunks[0];
  if (!first) throw new TypeError('cannot write a segment without chunks');
  const { jobId, stage, pinsDigest } = first.segment.record;
  const copies: Chunk[] = chunks.map(({ chunk }) => chunk);
  const wanted = new Set(copies.flatMap(filesOfChunk));
  const files = new Map(
    chunks
      .flatMap(({ segment: stored }) => stored.record.files)
      .filter(({ file }) => wanted.has(file))
      .map((file) => [file.file, file]),
  );
  const ordered = [...files.values()].sort((a, b) => a.file - b.file);
  const losers = chunks.flatMap(({ chunk, segment: stored }) => stored.record.losers?.filter((lost) => lost.chunk === chunk.chunk) ?? []);
  return {
    record: 'segment',
    version: 1,
    jobId,
    generation,
    stage,
    segment,
    specDigest: digest,
    pinsDigest,
    firstChunk: first.chunk.chunk,
    files: ordered,
    chunks: copies,
    ended: [],
    ...(losers.length > 0 && { losers }),
  };
}

function sealOf(jobId: JobId, generation: number, segments: readonly Stored<'segment'>[], unplannable: readonly Unplannable[]): Sealed {
  const chunks = segments.flatMap(({ record }) => record.chunks);
  const bytes = chunks.reduce((sum, chunk) => sum + chunkBytes(chunk), 0);
  const records = chunks.reduce((sum, chunk) => sum + (plannedRecords(chunk) ?? 0), 0);
  const counts = { segments: segments.length, chunks: chunks.length, bytes, records };
  return { record: 'sealed', version: 1, jobId, generation, stage: null, ...counts, unplannable: [...unplannable] };
}
