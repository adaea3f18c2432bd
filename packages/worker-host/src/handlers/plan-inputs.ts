/**
 * A plan task: probes the input once and pins what was found, lets a core cut the files into exact chunks, and seals the plan. Everything is put if
 * absent, so a second planner finds what the first one did and goes on behind it.
 */
import type { CoreLease, CoreProcess } from '@millrace/core-client';
import { isSegment, type Stored, specOfGeneration } from '@millrace/journal';
import { chunkBytes, type InputFile, inputPinsShape, type JobRecord, type Pins, type ResolvedJobSpec, type Sealed, type Unplannable } from '@millrace/protocol';
import type { Event, Failed, PlanDone, PlanSegment } from '@millrace/protocol/wire';
import type { SegmentRef, WorkOrders } from '@millrace/queues';
import { AppError, describeError } from '@millrace/service-kit';
import { classifyCode, classifyFailed } from '../classify.ts';
import type { WorkEnd } from '../execute-work.ts';
import { failureRecord } from '../failure-record.ts';
import type { Host, OpenedAttempt } from '../host.ts';
import type { Lease } from '../lease-keeper.ts';
import { ProgressKeeper, type StopReason } from '../progress-keeper.ts';
import { failedWork, workPlace } from './work-place.ts';

const PROBED_FILES = 5;
const PROBE_DEADLINE_MS = 120_000;
const PLAN_DEADLINE_MS = 6 * 3_600_000;

interface PlanJob {
  readonly attempt: OpenedAttempt<WorkOrders>;
  readonly job: JobRecord;
  readonly spec: ResolvedJobSpec;
  readonly files: readonly InputFile[];
  readonly keeper: ProgressKeeper;
  readonly host: Host;
}

export async function planInputs(attempt: OpenedAttempt<WorkOrders>, lease: Lease, host: Host): Promise<WorkEnd> {
  const keeper = new ProgressKeeper({ ...attempt, orders: { chunkId: attempt.orders.workId } }, lease, host);
  try {
    const plan = await loadPlanJob(attempt, keeper, host);
    const pins = await pinInput(plan);
    if ('outcome' in pins) return pins;
    const planned = await planFiles(plan, pins);
    if ('outcome' in planned) return planned;
    await sealPlan(plan, planned);
    return { outcome: 'done' };
  } finally {
    keeper.stop();
  }
}

async function loadPlanJob(attempt: OpenedAttempt<WorkOrders>, keeper: ProgressKeeper, host: Host): Promise<PlanJob> {
  const { jobId, generation } = attempt.orders;
  const [stored, commands] = await Promise.all([host.journal.readJobRecord(jobId), host.journal.readCommands(jobId)]);
  if (stored === null) throw new AppError('JOURNAL_UNSAFE', `cannot plan ${jobId}: it has no job.json`);
  const files: InputFile[] = [];
  for await (const file of host.journal.listInputFiles(jobId)) files.push(file);
  return { attempt, job: stored.record, spec: specOfGeneration({ job: stored, commands }, generation).spec, files, keeper, host };
}

/** The pins that stand, or those that a probe of some files gives. Whoever puts them first has decided. */
async function pinInput(plan: PlanJob): Promise<Stored<'pins'> | WorkEnd> {
  const { job, host } = plan;
  const standing = await host.journal.readPins(job.jobId);
  if (standing !== null) return standing;
  const probed = await askCore(plan, (core, options) => core.request(probeMessage(plan), { ...options, deadlineMs: PROBE_DEADLINE_MS }));
  if ('outcome' in probed) return probed;
  const record: Pins = {
    record: 'pins',
    version: 1,
    jobId: job.jobId,
    rules: 1,
    inputs: [inputPinsShape.parse(JSON.parse(new TextDecoder().decode(probed.payload)))],
    partitions: {},
    lookups: [],
  };
  return (await host.journal.putPins(record)).stored;
}

function probeMessage({ spec, files }: PlanJob) {
  const [declared] = spec.inputs;
  const input = spread(files, PROBED_FILES).map(({ uri, etag, size }) => ({ uri, connection: null, etag, size }));
  return { type: 'Probe', input, declared: JSON.stringify({ ...declared, schema: declared?.schema ?? spec.schema }) } as const;
}

/** At most `count` of them, spread evenly over the list, the first among them. */
function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, index) => items[Math.floor((index * items.length) / count)] as T);
}

interface Planned {
  readonly totals: { readonly segments: number; readonly chunks: number; readonly bytes: number; readonly records: number };
  readonly unplannable: readonly Unplannable[];
}

/** Runs of neighbouring files that are still to be planned, one request each. */
async function planFiles(plan: PlanJob, pins: Stored<'pins'>): Promise<Planned | WorkEnd> {
  const { orders } = plan.attempt;
  const start = await planStart(plan);
  const totals = { ...start.totals };
  const unplannable: Unplannable[] = start.files.filter(({ file }) => orders.unplannable.includes(file)).map((file) => gaveUp(file));
  for (const run of runsOf(start.files.map(({ file }) => file).filter((file) => !orders.unplannable.includes(file)))) {
    const planned = await planRun(plan, pins, run, { firstSegment: totals.segments, firstChunk: start.firstChunk + totals.chunks - start.totals.chunks });
    if ('outcome' in planned) return planned;
    totals.segments += planned.segments;
    totals.chunks += planned.chunks;
    totals.bytes += planned.bytes;
    totals.records += planned.records;
    unplannable.push(...planned.unplannable.map(({ file, code, message }) => ({ file, uri: plan.files[file]?.uri ?? '', code, message })));
  }
  return { totals, unplannable };
}

const gaveUp = ({ file, uri }: InputFile): Unplannable => ({ file, uri, code: 'CORE_CRASH', message: 'planning this file used up its attempts' });

interface PlanStart {
  readonly files: readonly InputFile[];
  readonly firstChunk: number;
  readonly totals: Planned['totals'];
}

/** The first generation plans every file; a later one what earlier ones could not, behind the chunks that its redrive listed. */
async function planStart({ attempt, files, host }: PlanJob): Promise<PlanStart> {
  const { jobId, generation } = attempt.orders;
  const totals = { segments: 0, chunks: 0, bytes: 0, records: 0 };
  if (generation === 1) return { files, firstChunk: 0, totals };
  let firstChunk = 0;
  let open = new Set(files.map(({ file }) => file));
  for (let earlier = 1; earlier < generation; earlier += 1) {
    for await (const { record } of host.journal.listSegments(jobId, earlier)) firstChunk = Math.max(firstChunk, ...record.chunks.map(({ chunk }) => chunk + 1));
    const sealed = await host.journal.readSealed(jobId, earlier);
    if (sealed !== null) open = new Set(sealed.record.unplannable.map(({ file }) => file));
  }
  for await (const { record } of host.journal.listSegments(jobId, generation)) {
    // Segments that a planner of this generation has put are met again by the core; only those of the redrive are counted here.
    if (record.chunks.some(({ chunk }) => chunk >= firstChunk)) break;
    totals.segments += 1;
    totals.chunks += record.chunks.length;
    totals.bytes += record.chunks.reduce((bytes, chunk) => bytes + chunkBytes(chunk), 0);
    totals.records += record.chunks.reduce((records, chunk) => records + (chunk.kind === 'range' ? chunk.records : 0), 0);
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
  from: { readonly firstSegment: number; readonly firstChunk: number },
): Promise<PlanDone | WorkEnd> {
  const { orders } = plan.attempt;
  const told: Promise<void>[] = [];
  const message = {
    type: 'Plan',
    jobKey: orders.jobKey,
    specDigest: orders.specDigest,
    pinsDigest: pins.digest,
    generation: orders.generation,
    mode: 'scan',
    firstInput,
    inputCount,
    ...from,
    stage: plan.job.stage,
    span: null,
  } as const;
  const onSegment = (segment: PlanSegment): void => void told.push(recordSegment(plan, segment));
  const answer = await askCore(plan, (core, options) => core.request(message, { ...options, deadlineMs: PLAN_DEADLINE_MS }), onSegment);
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
  const end = await host.journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation, segments: totals.segments });
  if (isSegment(end.stored)) throw new AppError('PLAN_CONFLICT', `cannot end the plan of ${jobId} after ${totals.segments} segments: another stands there`);
  for (const file of planned.unplannable) await recordUnplannable(plan, file);
  const sealed: Sealed = { record: 'sealed', version: 1, jobId, generation, ...totals, unplannable: [...planned.unplannable] };
  const standing = (await host.journal.putSealed(sealed)).stored.record;
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

type CoreRequest<A> = (core: CoreProcess, options: { signal: AbortSignal; onEvent: (event: Event) => void }) => Promise<A>;

/** One request on a leased core, its failure as the end of the work. */
async function askCore<A extends { readonly failed: Failed | null; readonly done: unknown }>(
  { keeper, host }: PlanJob,
  ask: CoreRequest<A>,
  onSegment: (segment: PlanSegment) => void = () => {},
): Promise<Extract<A, { failed: null }> | WorkEnd> {
  let leased: CoreLease | null = null;
  let stopWatching = (): void => {};
  try {
    leased = await keeper.whileWaiting(() => host.cores.lease(keeper.signal));
    const { core } = leased;
    stopWatching = keeper.watch(core);
    const onEvent = (event: Event): void => {
      keeper.note(event, core);
      if (event.type === 'PlanSegment') onSegment(event);
    };
    const answer = await ask(core, { signal: keeper.signal, onEvent });
    return answer.failed === null ? (answer as Extract<A, { failed: null }>) : failedWork(classifyFailed(answer.failed));
  } catch (error) {
    if (keeper.stoppedFor !== null) return stoppedWork(keeper.stoppedFor);
    throw error;
  } finally {
    stopWatching();
    leased?.release();
  }
}

function stoppedWork(reason: StopReason | null): WorkEnd {
  if (reason === 'cancel') return { outcome: 'cancelled' };
  if (reason === 'drain') return { outcome: 'released' };
  if (reason === 'fence') return failedWork(classifyCode('LEASE_LOST', 'the host could not prove its lease any more'));
  return failedWork(classifyCode('CORE_TIME_LIMIT', 'planning took longer than its time limit'));
}
