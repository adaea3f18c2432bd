/**
 * Finishes a generation from the journal alone: every chunk's outcome, the sums and whether they balance, parts that nobody names removed, then the
 * manifest, which is the commit point of the generation, then what readers look at. Every step may be repeated by anyone.
 */
import { manifestKey, newestGeneration, type PlanIndex, type PlannedChunk, type Stored, specOfGeneration, Waivers, type WrittenLists } from '@millrace/journal';
import {
  type Command,
  type Counts,
  callbacksOf,
  checkExpected,
  chunkId,
  decideBudget,
  encodeRecord,
  type FailureEvidence,
  type InputFile,
  jobStages,
  laterStages,
  type Manifest,
  type ManifestPart,
  type ManifestReplay,
  manifestCount,
  type ResolvedJobSpec,
  stagesOf,
  type Unplannable,
} from '@millrace/protocol';
import type { FinishReport, JobEnd, LateSweep, WorkOrders } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import { failpoint } from '@millrace/service-kit/failpoints';
import { attemptDeadlineMs } from '../deadline.ts';
import type { WorkEnd } from '../execute-work.ts';
import type { Host, OpenedAttempt } from '../host.ts';
import type { Lease } from '../lease-keeper.ts';
import { OutputStore } from '../output-store.ts';
import { evidenceOfEnd } from './failure-evidence.ts';
import { isPartOf, partFolders } from './job-parts.ts';
import { NamedParts } from './named-parts.ts';
import { ReplaySums } from './replays.ts';
import { type GenerationSummary, GenerationSums } from './summarise-generation.ts';

/** Reads at once; a core takes 32 store requests. */
const AT_ONCE = 32;
const SUCCESS_TRIES = 10;
/** More parts than these are looked for in listings of their folders. */
const PARTS_ASKED_FOR = 1_000;
const DELETED_AT_ONCE = 1_000;

interface FinishJob {
  readonly orders: WorkOrders;
  readonly job: Stored<'job'>;
  readonly pins: Stored<'pins'> | null;
  readonly commands: readonly Command[];
  /** The plans of generations up to this one. */
  readonly index: PlanIndex;
  readonly spec: ResolvedJobSpec;
  readonly output: OutputStore;
  readonly host: Host;
}

/** How the generation ends: null is completed. */
type Ending = { readonly state: 'failed' | 'cancelled'; readonly code: string; readonly message: string } | null;

export async function finishJob(attempt: OpenedAttempt<WorkOrders>, lease: Lease, host: Host): Promise<WorkEnd> {
  const alive = setInterval(() => lease.showLife(), 500);
  try {
    await failpoint('finish.1-2', attempt.orders.jobId);
    const job = await loadFinishJob(attempt.orders, host);
    const standing = await host.journal.readManifest(attempt.orders.jobId, attempt.orders.generation);
    const manifest = standing?.record ?? (await makeManifest(job));
    if ('missing' in manifest)
      return await report(job, {
        state: 'notReady',
        missing: manifest.missing.map(({ stage, chunk }) => chunkId(attempt.orders.jobId, stage, chunk)),
      });
    await failpoint('finish.5-6', manifest.jobId);
    await publish(job, manifest);
    await oweCallbacks(job, manifest);
    await removeOutdated(job, manifest);
    await failpoint('finish.6-7', manifest.jobId);
    await report(job, { state: manifest.state, failure: manifest.failure, manifestKey: manifestKey(manifest.jobId, manifest.generation) });
    if (manifest.state === 'completed') await sweepLater(job);
    await failpoint('finish.7-8', manifest.jobId);
    await host.journal.deleteOpenMarker(manifest.jobId, manifest.generation);
    await failpoint('finish.8-end', manifest.jobId);
    return { outcome: 'done' };
  } finally {
    clearInterval(alive);
  }
}

async function loadFinishJob(orders: WorkOrders, host: Host): Promise<FinishJob> {
  const { jobId, generation } = orders;
  const job = await host.journal.readJobRecord(jobId);
  if (job === null) throw new AppError('JOURNAL_UNSAFE', `cannot finish ${jobId}: it has no job.json`);
  const [pins, commands] = await Promise.all([host.journal.readPins(jobId), host.journal.readCommands(jobId)]);
  const index = await host.journal.planReader(job.record).catchUp(Math.min(generation, newestGeneration(commands)));
  const { spec } = specOfGeneration({ job, commands }, generation);
  return { orders, job, pins, commands, index, spec, output: new OutputStore(host.store, job.record, orders.jobKey), host };
}

async function report(job: FinishJob, finish: FinishReport): Promise<WorkEnd> {
  await job.host.queues.ledger.finishReported(job.orders.jobId, job.orders.generation, finish);
  return { outcome: 'done' };
}

/** Puts the manifest; the one that stands afterwards decides, whoever put it. */
async function makeManifest(job: FinishJob): Promise<Manifest | Pick<GenerationSummary, 'missing'>> {
  const summary = await summarise(job);
  const isOpen = summary.missing.length > 0 || !(await isPlanned(job));
  if (isOpen && job.orders.end === null) return { missing: summary.missing };
  await failpoint('finish.2-3', job.orders.jobId);
  const ending = (await decideEnding(job, summary)) ?? (await lateCancel(job));
  if (ending?.code === 'BALANCE_MISMATCH') job.host.metrics.recordImbalance();
  await failpoint('finish.3-4', job.orders.jobId);
  if (!isOpen && !isUnsound(ending)) await removeOrphans(job, summary.named);
  await failpoint('finish.4-5', job.orders.jobId);
  const evidence = ending === null ? undefined : await evidenceOfEnd(ending.code, summary, job.spec, job.orders, job.host);
  // What a failed generation lacks was accepted by nobody.
  const lists = await summary.lists.end(ending === null ? [] : ['gaps']);
  return (await job.host.journal.putManifest(manifestOf(job, summary, lists, ending, evidence))).stored.record;
}

/** Something of ours is wrong: nothing may be deleted before a person has looked. */
const isUnsound = (ending: Ending): boolean => ending?.code === 'BALANCE_MISMATCH' || ending?.code === 'PLAN_CONFLICT';

/** Every plan that the generation needs is sealed. */
async function isPlanned({ job, orders: { jobId, generation }, host }: FinishJob): Promise<boolean> {
  for (const stage of [null, ...laterStages(jobStages(job.record)).map(({ name }) => name)])
    if ((await host.journal.readSealed(jobId, generation, stage)) === null) return false;
  return true;
}

type Lists = ReturnType<Host['journal']['manifestWriter']>;

interface Summary extends GenerationSummary {
  readonly replays: readonly ManifestReplay[];
  readonly lists: Lists;
  readonly named: NamedParts;
  /** Folders of `partitionBy` that have parts. */
  readonly folders: ReadonlySet<string>;
}

/** One pass over all chunks: of their receipts only the sums stay, and pages of the manifest that is being made. */
async function summarise(finish: FinishJob): Promise<Summary> {
  const { job, pins, commands, index, spec, orders, host } = finish;
  const { jobId, generation } = orders;
  const files: InputFile[] = [];
  for await (const file of host.journal.listInputFiles(jobId)) files.push(file);
  const sums = new GenerationSums({
    stages: stagesOf(spec),
    generation,
    files,
    ended: [...index.ended.values()],
    unplannable: await unplannableFiles(finish),
    inferred: pins?.record.inputs.flatMap(({ inferred }) => inferred) ?? [],
    waivers: new Waivers(commands.filter(({ opens }) => opens === null || opens <= generation)),
  });
  const [lists, named, folders] = [host.journal.manifestWriter({ jobId: job.record.jobId, generation }), new NamedParts(), new Set<string>()];
  const replays = new ReplaySums(index, commands);
  for await (const some of inSteps(host.journal.plannedChunks(index), async (chunk) => ({ ...chunk, verdict: await verdictOf(finish, chunk) }))) {
    for (const record of some) {
      const { parts, rejects, gaps } = sums.add(record);
      replays.add(record);
      for (const part of [...parts, ...rejects]) named.add(part.uri, part.bytes);
      for (const { partition } of parts) if (folders.size <= spec.output.maxPartitions) folders.add(partition ?? '');
      await lists.add('parts', parts);
      await lists.add('rejects', rejects);
      await lists.add('gaps', gaps);
    }
  }
  const summary = sums.summary();
  await lists.add('files', summary.files);
  await lists.add('gaps', summary.gaps);
  return { ...summary, replays: replays.total(), lists, named, folders };
}

const verdictOf = async ({ orders, host }: FinishJob, chunk: PlannedChunk) => (await host.journal.outcomeOf(orders.jobId, chunk))?.record ?? null;

/** Files that the newest sealed plan up to this generation could not plan; a later plan that has them takes them off. */
async function unplannableFiles({ index, orders, host }: FinishJob): Promise<readonly Unplannable[]> {
  for (let { generation } = orders; generation > 0; generation -= 1) {
    const sealed = await host.journal.readSealed(orders.jobId, generation);
    // A file of which only the beginning is planned has chunks and no end.
    if (sealed !== null) return sealed.record.unplannable.filter(({ file }) => !index.ended.has(file));
  }
  return [];
}

/** What the ledger was told wins; then a plan or a balance that does not hold; then totals that the sender promised; then budgets. */
async function decideEnding(job: FinishJob, summary: Summary): Promise<Ending> {
  const { orders, spec } = job;
  if (orders.end !== null) return endingOf(orders.end);
  if (summary.planConflict !== null) return { state: 'failed', code: 'PLAN_CONFLICT', message: summary.planConflict };
  const [imbalance] = summary.imbalances;
  if (imbalance !== undefined) return { state: 'failed', code: 'BALANCE_MISMATCH', message: imbalance };
  const absent = await firstAbsentPart(job, summary);
  if (absent !== null) return { state: 'failed', code: 'BALANCE_MISMATCH', message: absent };
  if (summary.folders.size > spec.output.maxPartitions) {
    const message = `expected at most ${spec.output.maxPartitions} folders (output.maxPartitions), the job made more`;
    return { state: 'failed', code: 'OUTPUT_TOO_MANY_PARTITIONS', message };
  }
  const mismatch = await unexpectedTotals(job, summary);
  const exceeded = mismatch ?? decideBudget(summary.budget, spec, 'finish').exceeded;
  return exceeded === null ? null : { state: 'failed', code: exceeded.code, message: exceeded.message };
}

/** What the sender said of an input, or of a file in a list, against what was read. */
async function unexpectedTotals({ spec, orders, host }: FinishJob, summary: GenerationSummary): Promise<ReturnType<typeof checkExpected>> {
  const read = new Map(summary.files.map(({ file, balance }) => [file, balance.recordsIn]));
  const totals = spec.inputs.map(() => 0);
  for await (const { file, input, uri, records } of host.journal.listInputFiles(orders.jobId)) {
    const got = read.get(file) ?? 0;
    totals[input] = (totals[input] ?? 0) + got;
    if (typeof records === 'number' && records !== got) {
      return { code: 'INPUT_COUNT_MISMATCH', message: `${uri}: its list says ${records} records, got ${got}` };
    }
  }
  return spec.inputs.map((input, index) => checkExpected(input, { records: totals[index] ?? 0 })).find((problem) => problem !== null) ?? null;
}

/** A cancel that the ledger did not hear of before this finish began. One that comes behind this look is too late: the manifest decides. */
async function lateCancel({ orders: { jobId, generation }, host }: FinishJob): Promise<Ending> {
  const log = await host.journal.readCommands(jobId);
  const isCancelled = log.some((command) => command.command === 'cancel' && command.generation === generation);
  return isCancelled ? { state: 'cancelled', code: 'JOB_CANCELLED', message: 'the job was cancelled' } : null;
}

const endingOf = ({ state, code, message }: JobEnd): Ending => ({ state, code, message });

/** Receipts and objects must agree: each part that a receipt names is there, with its size. */
async function firstAbsentPart(job: FinishJob, { lists, named }: Summary): Promise<string | null> {
  const seen = named.count > PARTS_ASKED_FOR ? await partsSeen(job, named) : new NamedParts();
  if (seen.count === named.count) return null;
  for (const list of ['parts', 'rejects'] as const) {
    for await (const problems of inSteps(unseen(lists.list(list), seen), (part) => absence(job, part))) {
      const problem = problems.find((one) => one !== null);
      if (problem !== undefined) return problem;
    }
  }
  return null;
}

async function absence({ output }: FinishJob, { uri, bytes }: ManifestPart): Promise<string | null> {
  const size = await output.size(uri);
  return size === bytes ? null : `${uri}: its receipt says ${bytes} bytes, found ${size === null ? 'nothing' : `${size} bytes`}`;
}

async function* unseen(parts: AsyncIterable<ManifestPart>, seen: NamedParts): AsyncGenerator<ManifestPart> {
  for await (const part of parts) if (!seen.has(part.uri)) yield part;
}

/** Of very many parts a listing says a thousand at a time which are there as they should be. */
async function partsSeen(job: FinishJob, named: NamedParts): Promise<NamedParts> {
  const seen = new NamedParts();
  for await (const { key, size } of ownFiles(job)) if (named.bytesOf(key) === size) seen.add(key, size);
  return seen;
}

/** Parts and rejects of this job, of generations up to this one, whole or cut off, in every folder where they may lie. */
async function* ownFiles({ spec, orders: { jobId, generation }, output }: FinishJob, start = '') {
  for (const folder of new Set([...(await partFolders(spec, output)), rejectsUri(spec)]))
    for await (const entry of output.list(folder, start)) if (isPartOf(entry.key, jobId, generation)) yield entry;
}

/** A job may have very many: a few are asked for at once, and the answers come in order. */
async function* inSteps<Item, Result>(items: AsyncIterable<Item>, act: (item: Item) => Promise<Result>): AsyncGenerator<Result[]> {
  let some: Item[] = [];
  for await (const item of items) {
    some.push(item);
    if (some.length < AT_ONCE) continue;
    yield await Promise.all(some.map(act));
    some = [];
  }
  yield await Promise.all(some.map(act));
}

/** Parts of this job, of generations up to this one, that no receipt names, whole or cut off: left by attempts that were killed or lost. */
async function removeOrphans(job: FinishJob, named: NamedParts): Promise<void> {
  const { orders, output, host } = job;
  for await (const { uri, bytes } of supersededParts(job)) named.add(uri, bytes);
  for (const start of ['', '.tmp-']) {
    let orphans: string[] = [];
    for await (const { key } of ownFiles(job, start)) {
      if (start === '' && named.has(key)) continue;
      orphans.push(key);
      // A listing goes on behind the last key it gave, whatever was deleted before that.
      if (orphans.length < DELETED_AT_ONCE) continue;
      await output.delete(orphans);
      orphans = [];
    }
    await output.delete(orphans);
  }
  await host.journal.removeTemporaries(orders.jobId);
}

/** When none of its attempts can be alive any more: what was killed or fenced behind this finish may still leave parts. */
async function sweepLater({ orders, index, spec, host }: FinishJob): Promise<void> {
  const { jobId, generation, tenant, jobKey, specDigest } = orders;
  const lifetimeMs = attemptDeadlineMs(index.largestBytes(), spec.execution.attemptTimeLimit, true) + host.times.leaseMs;
  await host.queues.sweeps.add({ jobId, generation, tenant, jobKey, specDigest }, lifetimeMs);
}

/** The removal of orphans once more, long after the generation completed. Safe also while a later one runs: the names say of which they are. */
export async function sweepLate(sweep: LateSweep, host: Host): Promise<void> {
  // Only what completed has every verdict filled, and only then nobody can commit any more.
  const manifest = (await host.journal.readManifest(sweep.jobId, sweep.generation))?.record;
  if (manifest?.state !== 'completed') return;
  const nothing = { first: 0, unplannable: [], end: null, previous: null } as const;
  const job = await loadFinishJob({ ...sweep, ...nothing, kind: 'finish', workId: chunkId(sweep.jobId, 'finish', 0) }, host);
  const named = new NamedParts();
  for (const list of ['parts', 'rejects'] as const) for await (const { uri, bytes } of host.journal.listManifest(manifest, list)) named.add(uri, bytes);
  await removeOrphans(job, named);
}

/** Of receipts of reduce chunks that ran again for other inputs: readers of the older manifest need them until the newer one stands. */
async function* supersededParts({ index, orders: { jobId }, host }: FinishJob): AsyncGenerator<Pick<ManifestPart, 'uri' | 'bytes'>> {
  for (let chunk = 0; chunk < index.size; chunk += 1) {
    const segment = index.segments[index.segmentOf(chunk)];
    if (segment === undefined || segment.generation === 1 || index.at(chunk)?.kind !== 'partition') continue;
    for (let { generation } = segment; generation > 1; generation -= 1) {
      const verdict = (await host.journal.readVerdict(jobId, segment.stage, chunk, generation - 1))?.record;
      if (verdict?.outcome === 'committed') yield* [...verdict.parts, ...verdict.rejects];
    }
  }
}

/** After the manifest: nobody who begins to read now is led to them. Exchange objects stay while something may be redriven or replayed. */
async function removeOutdated(job: FinishJob, manifest: Manifest): Promise<void> {
  if (manifest.state !== 'completed') return;
  const outdated: string[] = [];
  for await (const { uri } of supersededParts(job)) outdated.push(uri);
  await job.output.delete(outdated);
  // Files of rejects stay when every one of them was replayed.
  const isRejected = (manifest.stages ?? []).some(({ balance }) => balance.rejected > 0);
  if (manifestCount(manifest, 'gaps') === 0 && !isRejected) await job.host.journal.removeWork(manifest.jobId);
}

const rejectsUri = (spec: ResolvedJobSpec): string => spec.rejects.uri ?? `${spec.output.uri}_rejects/`;

function manifestOf(
  { job: { record: job }, pins, spec, orders, host }: FinishJob,
  summary: Summary,
  lists: WrittenLists,
  ending: Ending,
  evidence: FailureEvidence | undefined,
): Manifest {
  const endedAt = host.clock.nowIso();
  return {
    record: 'manifest',
    version: 1,
    jobId: job.jobId,
    name: job.name,
    generation: orders.generation,
    state: ending?.state ?? 'completed',
    specDigest: orders.specDigest,
    pinsDigest: pins?.digest ?? null,
    resultVersion: host.resultVersion,
    failure: ending === null ? null : { code: ending.code, message: ending.message, ...(evidence && { evidence }) },
    acceptedAt: job.acceptedAt,
    endedAt,
    durationMs: Math.max(0, Date.parse(endedAt) - Date.parse(job.acceptedAt)),
    outputUri: spec.output.uri,
    rejectsUri: rejectsUri(spec),
    balance: summary.balance,
    byCode: counted(summary.sums.byCode),
    byColumn: Object.fromEntries(Object.entries(summary.sums.byColumn).flatMap(([column, codes]) => (hasAny(codes) ? [[column, counted(codes)]] : []))),
    stages: [...summary.stages],
    chunks: summary.counts,
    bytes: { in: summary.sums.bytesIn, out: summary.sums.bytesOut },
    ...lists,
    ...(summary.replays.length === 0 ? {} : { replays: [...summary.replays] }),
  };
}

/** Without what replays have taken off to the last. */
const counted = (codes: Counts): Counts => Object.fromEntries(Object.entries(codes).filter(([, times]) => times !== 0));
const hasAny = (codes: Counts): boolean => Object.values(codes).some((times) => times !== 0);

/** Before the marker goes: whoever repeats this finish owes the same webhooks again, and only once. */
async function oweCallbacks({ spec, job, host }: FinishJob, manifest: Manifest): Promise<void> {
  const { jobId, generation, state, name, endedAt, balance, chunks, failure, outputUri } = manifest;
  const of = { jobId, generation, tenant: job.record.tenant, createdAt: endedAt };
  const data = { jobId, name, generation, state, balance, chunks, failure, outputUri, parts: manifestCount(manifest, 'parts'), endedAt };
  for (const callback of callbacksOf(spec, of, `job.${state}`, data)) await host.journal.putCallback(callback);
}

/** What readers look at: a copy of the manifest behind those of its pages, then `_SUCCESS`. A failed or cancelled generation publishes nothing. */
async function publish({ output, spec, host }: FinishJob, manifest: Manifest): Promise<void> {
  if (manifest.state !== 'completed') return;
  const { jobId, generation } = manifest;
  const name = `${spec.output.uri}_manifests/${jobId}.${String(generation).padStart(6, '0')}`;
  const uri = `${name}.json`;
  for (const page of manifest.pages ?? []) await output.overwrite(`${name}/${page.name}`, await host.journal.readManifestPage(manifest, page));
  await output.overwrite(uri, encodeRecord('manifest', manifest));
  await failpoint('finish.6-success', jobId);
  const success = new TextEncoder().encode(`${JSON.stringify({ jobId, generation, manifest: uri })}\n`);
  for (let tries = 0; tries < SUCCESS_TRIES; tries += 1) {
    const standing = await output.get(`${spec.output.uri}_SUCCESS`);
    // It only moves forward: a finisher that was held up must not put an older generation over a newer one.
    if (standing !== null && isAtLeast(standing.bytes, jobId, generation)) return;
    if (await output.exchange(`${spec.output.uri}_SUCCESS`, success, standing?.etag ?? null)) return;
  }
  throw new AppError('STORAGE_UNAVAILABLE', `cannot write ${spec.output.uri}_SUCCESS: somebody else changes it again and again`);
}

/** `_SUCCESS` names this job in this generation or a later one. */
function isAtLeast(bytes: Uint8Array, jobId: string, generation: number): boolean {
  try {
    const standing = JSON.parse(new TextDecoder().decode(bytes)) as { readonly jobId?: unknown; readonly generation?: unknown };
    return standing.jobId === jobId && typeof standing.generation === 'number' && standing.generation >= generation;
  } catch {
    return false;
  }
}
