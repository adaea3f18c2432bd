/**
 * A plan task: probes the inputs once and pins what was found, lets a core cut the files into exact chunks, and seals the plan. Everything is put if
 * absent, so a second planner finds what the first one did and goes on behind it.
 */
import { allSegments, isSegment, type Journal, type Stored } from '@millrace/journal';
import { chunkBytes, fileStages, type InputFile, laterIndexOf, plannedRecords, type Sealed, stagesOf, type Unplannable } from '@millrace/protocol';
import type { PlanDone, PlanSegment } from '@millrace/protocol/wire';
import type { SegmentRef, WorkOrders } from '@millrace/queues';
import { AppError, describeError } from '@millrace/service-kit';
import { failpoint } from '@millrace/service-kit/failpoints';
import { classifyCode } from '../classify.ts';
import type { WorkEnd } from '../execute-work.ts';
import { failureRecord } from '../failure-record.ts';
import type { Host, OpenedAttempt } from '../host.ts';
import type { Lease } from '../lease-keeper.ts';
import { ProgressKeeper } from '../progress-keeper.ts';
import { pinInputs } from './pin-inputs.ts';
import { askCore, loadPlanJob, type PlanJob, planDeadlineMs, stoppedWork } from './plan-job.ts';
import { planStage } from './plan-stage.ts';
import { workPlace } from './work-place.ts';

/** Files, or a later stage when the number of the task lies behind them. */
export async function planWork(attempt: OpenedAttempt<WorkOrders>, lease: Lease, host: Host): Promise<WorkEnd> {
  const keeper = new ProgressKeeper({ ...attempt, orders: { chunkId: attempt.orders.workId } }, lease, host);
  try {
    const plan = await loadPlanJob(attempt, keeper, host);
    const laterIndex = laterIndexOf(plan.job.inputFiles, attempt.orders.first);
    return await (laterIndex === null ? planInputs(plan) : planStage(plan, laterIndex));
  } finally {
    keeper.stop();
  }
}

async function planInputs(plan: PlanJob): Promise<WorkEnd> {
  const pins = await pinInputs(plan);
  if ('outcome' in pins) return pins;
  await failpoint('accept.e-pins', plan.job.jobId);
  const planned = await planFiles(plan, pins);
  if ('outcome' in planned) return planned;
  await failpoint('accept.e-segments', plan.job.jobId);
  await sealPlan(plan, planned);
  return { outcome: 'done' };
}

interface Planned {
  readonly totals: { readonly segments: number; readonly chunks: number; readonly bytes: number; readonly records: number };
  readonly unplannable: readonly Unplannable[];
}

/** Stage after stage, and of each the runs of neighbouring files that are still to be planned, one request each. */
async function planFiles(plan: PlanJob, pins: Stored<'pins'>): Promise<Planned | WorkEnd> {
  const { orders } = plan.attempt;
  const start = await planStart(plan);
  const totals = { ...start.totals };
  const given = start.files.filter(({ file }) => orders.unplannable.includes(file));
  const unplannable: Unplannable[] = await Promise.all(given.map((file) => gaveUp(file, orders, plan.host.journal)));
  for (const { stage, files } of filesByStage(plan, start.files)) {
    for (const run of runsOf(files.map(({ file }) => file).filter((file) => !orders.unplannable.includes(file)))) {
      const from = { stage, firstSegment: totals.segments, firstChunk: start.firstChunk + totals.chunks - start.totals.chunks };
      const planned = await planRun(plan, pins, run, from);
      if ('outcome' in planned) return planned;
      totals.segments += planned.segments;
      totals.chunks += planned.chunks;
      totals.bytes += planned.bytes;
      totals.records += planned.records;
      unplannable.push(...planned.unplannable.map(({ file, code, message }) => ({ file, uri: plan.files[file]?.uri ?? '', code, message })));
    }
  }
  return { totals, unplannable };
}

/** Each input is read by one of these, so each file has one. */
function filesByStage({ spec }: PlanJob, files: readonly InputFile[]): { stage: string; files: InputFile[] }[] {
  return fileStages(stagesOf(spec)).map(({ name, from }) => ({
    stage: name,
    files: files.filter(({ input }) => from.includes(spec.inputs[input]?.name ?? '')),
  }));
}

/** A file that has a dead letter says why planning gave it up: that of this generation, else of the last one before that has one. */
export async function gaveUp(
  { file, uri }: Pick<InputFile, 'file' | 'uri'>,
  { jobId, generation }: Pick<WorkOrders, 'jobId' | 'generation'>,
  journal: Pick<Journal, 'readDeadLetter'>,
): Promise<Unplannable> {
  for (let at = generation; at > 0; at -= 1) {
    const letter = await journal.readDeadLetter(jobId, 'plan', file, at);
    if (letter !== null) return { file, uri, code: letter.record.code, message: letter.record.message };
  }
  return { file, uri, code: 'CORE_CRASH', message: 'planning this file used up its attempts' };
}

interface PlanStart {
  readonly files: readonly InputFile[];
  readonly firstChunk: number;
  readonly totals: Planned['totals'];
}

/** The first generation plans every file; a later one what earlier ones could not, behind the chunks that its redrive listed. */
async function planStart({ attempt, job, files, host }: PlanJob): Promise<PlanStart> {
  const { jobId, generation } = attempt.orders;
  const totals = { segments: 0, chunks: 0, bytes: 0, records: 0 };
  if (generation === 1) return { files, firstChunk: 0, totals };
  let firstChunk = 0;
  let open = new Set(files.map(({ file }) => file));
  for (let earlier = 1; earlier < generation; earlier += 1) {
    const plan = await host.journal.readPlan(job, earlier);
    for (const { record } of allSegments(plan)) firstChunk = record.chunks.reduce((next, { chunk }) => Math.max(next, chunk + 1), firstChunk);
    if (plan.sealed !== null) open = new Set(plan.sealed.unplannable.map(({ file }) => file));
  }
  for await (const { record } of host.journal.listSegments(jobId, generation)) {
    // Segments that a planner of this generation has put are met again by the core; only those of the redrive are counted here.
    if (record.chunks.some(({ chunk }) => chunk >= firstChunk)) break;
    totals.segments += 1;
    totals.chunks += record.chunks.length;
    totals.bytes += record.chunks.reduce((bytes, chunk) => bytes + chunkBytes(chunk), 0);
    totals.records += record.chunks.reduce((records, chunk) => records + (plannedRecords(chunk) ?? 0), 0);
  }
  return { files: files.filter(({ file }) => open.has(file)), firstChunk, totals };
}

/** `[first, count]` of each run of consecutive numbers. */
export function runsOf(numbers: readonly number[]): (readonly [first: number, count: number])[] {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === number) last[1] += 1;
    else runs.push([number, 1]);
  }
  return runs;
}

async function planRun(
  plan: PlanJob,
  pins: Stored<'pins'>,
  [firstInput, inputCount]: readonly [number, number],
  from: { readonly stage: string; readonly firstSegment: number; readonly firstChunk: number },
): Promise<PlanDone | WorkEnd> {
  const { orders } = plan.attempt;
  const told: Promise<void>[] = [];
  const message = {
    type: 'Plan',
    call: { secrets: plan.secrets },
    jobKey: orders.jobKey,
    specDigest: orders.specDigest,
    pinsDigest: pins.digest,
    generation: orders.generation,
    mode: 'scan',
    firstInput,
    inputCount,
    ...from,
    span: null,
  } as const;
  const onSegment = (segment: PlanSegment): void => void told.push(recordSegment(plan, segment));
  const answer = await askCore(plan, (core, options) => core.request(message, { ...options, deadlineMs: planDeadlineMs }), onSegment);
  await Promise.all(told);
  if ('outcome' in answer) return answer;
  return answer.done.cancelled ? stoppedWork(plan.keeper.stoppedFor) : answer.done;
}

/** Chunks of a durable segment may run from now on. A lost call is made up for when the plan is sealed. */
async function recordSegment({ attempt, host }: PlanJob, event: PlanSegment): Promise<void> {
  const { jobId, generation } = attempt.orders;
  const { segment, key, digest, stage, firstChunk, chunkCount, bytes } = event;
  const ref: SegmentRef = { segment, key, digest, stage, ranges: chunkCount === 0 ? [] : [[firstChunk, chunkCount]], bytes };
  try {
    await host.queues.ledger.recordSegment(jobId, generation, ref);
    await host.queues.events.nudgeLeader(jobId);
  } catch (err) {
    host.log.warn({ err: describeError(err), jobId, segment }, 'segment not told');
  }
}

/** Segment, end mark, seal: each stands before the ledger hears of it. */
async function sealPlan(plan: PlanJob, planned: Planned): Promise<void> {
  const { attempt, host } = plan;
  const { jobId, generation, workId } = attempt.orders;
  const { totals } = planned;
  const end = await host.journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation, stage: null, segments: totals.segments });
  if (isSegment(end.stored)) throw new AppError('PLAN_CONFLICT', `cannot end the plan of ${jobId} after ${totals.segments} segments: another stands there`);
  for (const file of planned.unplannable) await recordUnplannable(plan, file);
  const sealed: Sealed = { record: 'sealed', version: 1, jobId, generation, stage: null, ...totals, unplannable: [...planned.unplannable] };
  const standing = (await host.journal.putSealed(sealed)).stored.record;
  await failpoint('accept.e-sealed', jobId);
  await tellMissingSegments(plan);
  await host.queues.ledger.sealPlan(jobId, generation, { segments: standing.segments, chunks: standing.chunks, bytes: standing.bytes });
  await host.queues.ledger.closeWork(workId, generation);
}

/** Segments that the ledger has not heard of: the call that told it was lost, or an earlier planner died before it. */
async function tellMissingSegments({ attempt, host }: PlanJob): Promise<void> {
  const { jobId, generation } = attempt.orders;
  const known = new Set((await host.queues.ledger.segments(jobId)).map(({ segment }) => segment));
  for await (const { key, digest, record } of host.journal.listSegments(jobId, generation)) {
    const { segment, stage, chunks, firstChunk } = record;
    if (known.has(segment)) continue;
    const bytes = chunks.reduce((sum, chunk) => sum + chunkBytes(chunk), 0);
    await host.queues.ledger.recordSegment(jobId, generation, { segment, key, digest, stage, ranges: [[firstChunk, chunks.length]], bytes });
  }
}

/** The attempt's record for a file that cannot be planned; the scheduler makes the dead letter from the sealed plan. */
async function recordUnplannable({ attempt, job, host }: PlanJob, file: Unplannable): Promise<void> {
  const place = { ...workPlace(attempt.orders, job), chunk: file.file, fileUri: file.uri };
  const times = { attemptId: attempt.attemptId, startedAt: attempt.startedAt, endedAt: host.clock.nowIso() };
  const failure = classifyCode(file.code as 'INPUT_NOT_FOUND', file.message);
  await host.journal.putFailure(failureRecord(failure, place, times, { ...host.identity, coreVersion: host.coreVersion }, { bytesDone: 0, recordsDone: 0 }));
}
