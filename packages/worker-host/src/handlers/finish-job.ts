/**
 * Finishes a generation from the journal alone: every chunk's outcome, the sums and whether they balance, parts that nobody names removed, then the
 * manifest, which is the commit point of the generation, then what readers look at. Every step may be repeated by anyone.
 */
import { isFullyPlanned, type JobView, manifestKey, specOfGeneration, Waivers } from '@millrace/journal';
import {
  type Counts,
  callbacksOf,
  checkExpected,
  chunkBytes,
  chunkId,
  decideBudget,
  type EndedFile,
  encodeRecord,
  type FailureEvidence,
  type InputFile,
  type Manifest,
  type ManifestPart,
  type ManifestReplay,
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
import { replaysOf } from './replays.ts';
import { type ChunkRecord, type GenerationSummary, summariseGeneration } from './summarise-generation.ts';

/** Reads at once; a core takes 32 store requests. */
const AT_ONCE = 16;
const SUCCESS_TRIES = 10;

interface FinishJob {
  readonly orders: WorkOrders;
  readonly view: JobView;
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
    const standing = job.view.manifests.find(({ generation }) => generation === attempt.orders.generation);
    const manifest = standing ?? (await makeManifest(job));
    if ('missing' in manifest)
      return await report(job, {
        state: 'notReady',
        missing: manifest.missing.map(({ stage, chunk }) => chunkId(attempt.orders.jobId, stage, chunk.chunk)),
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
  const view = await host.journal.readJob(orders.jobId);
  if (view === null) throw new AppError('JOURNAL_UNSAFE', `cannot finish ${orders.jobId}: it has no job.json`);
  const { spec } = specOfGeneration(view, orders.generation);
  return { orders, view, spec, output: new OutputStore(host.store, view.job.record, orders.jobKey), host };
}

async function report(job: FinishJob, finish: FinishReport): Promise<WorkEnd> {
  await job.host.queues.ledger.finishReported(job.orders.jobId, job.orders.generation, finish);
  return { outcome: 'done' };
}

/** Puts the manifest; the one that stands afterwards decides, whoever put it. */
async function makeManifest(job: FinishJob): Promise<Manifest | Pick<GenerationSummary, 'missing'>> {
  const summary = await summarise(job);
  const isOpen = summary.missing.length > 0 || !isPlanned(job);
  if (isOpen && job.orders.end === null) return { missing: summary.missing };
  await failpoint('finish.2-3', job.orders.jobId);
  const ending = (await decideEnding(job, summary)) ?? (await lateCancel(job));
  if (ending?.code === 'BALANCE_MISMATCH') job.host.metrics.recordImbalance();
  await failpoint('finish.3-4', job.orders.jobId);
  if (!isOpen && !isUnsound(ending)) await removeOrphans(job, summary);
  await failpoint('finish.4-5', job.orders.jobId);
  const evidence = ending === null ? undefined : await evidenceOfEnd(ending.code, summary, job.spec, job.orders, job.host);
  return (await job.host.journal.putManifest(manifestOf(job, summary, ending, evidence))).stored.record;
}

/** Something of ours is wrong: nothing may be deleted before a person has looked. */
const isUnsound = (ending: Ending): boolean => ending?.code === 'BALANCE_MISMATCH' || ending?.code === 'PLAN_CONFLICT';

const isPlanned = ({ view, orders }: FinishJob): boolean => view.plans.some((plan) => plan.generation === orders.generation && isFullyPlanned(plan));

type Summary = GenerationSummary & { readonly replays: readonly ManifestReplay[] };

async function summarise({ view, spec, orders, host }: FinishJob): Promise<Summary> {
  const listed = view.chunks.filter(({ listedIn }) => listedIn.some((generation) => generation <= orders.generation));
  const chunks = await inSteps(listed, async (chunk): Promise<ChunkRecord> => {
    const outcome = await host.journal.readOutcome(chunk, orders.generation);
    return { stage: chunk.stage, chunk: chunk.chunk, generation: chunk.generation, verdict: outcome?.record ?? null };
  });
  const files: InputFile[] = [];
  for await (const file of host.journal.listInputFiles(orders.jobId)) files.push(file);
  const summary = summariseGeneration({
    stages: stagesOf(spec),
    generation: orders.generation,
    chunks,
    files,
    ended: endedFiles(view),
    unplannable: unplannableFiles(view, orders.generation),
    inferred: view.pins?.record.inputs.flatMap(({ inferred }) => inferred) ?? [],
    waivers: new Waivers(view.commands.filter(({ opens }) => opens === null || opens <= orders.generation)),
  });
  return { ...summary, replays: replaysOf(view, chunks) };
}

const endedFiles = (view: JobView): EndedFile[] => view.plans.flatMap(({ segments }) => segments.flatMap(({ record }) => record.ended));

/** Files that the newest sealed plan up to this generation could not plan; a later plan that has them takes them off. */
function unplannableFiles(view: JobView, generation: number): readonly Unplannable[] {
  const sealed = view.plans.filter((plan) => plan.generation <= generation && plan.sealed !== null).at(-1)?.sealed;
  // A file of which only the beginning is planned has chunks and no end.
  const ended = new Set(endedFiles(view).map(({ file }) => file));
  return sealed?.unplannable.filter(({ file }) => !ended.has(file)) ?? [];
}

/** What the ledger was told wins; then a plan or a balance that does not hold; then totals that the sender promised; then budgets. */
async function decideEnding(job: FinishJob, summary: GenerationSummary): Promise<Ending> {
  const { orders, spec } = job;
  if (orders.end !== null) return endingOf(orders.end);
  if (summary.planConflict !== null) return { state: 'failed', code: 'PLAN_CONFLICT', message: summary.planConflict };
  const [imbalance] = summary.imbalances;
  if (imbalance !== undefined) return { state: 'failed', code: 'BALANCE_MISMATCH', message: imbalance };
  const absent = await firstAbsentPart(job, summary);
  if (absent !== null) return { state: 'failed', code: 'BALANCE_MISMATCH', message: absent };
  const folders = new Set(summary.parts.map(({ partition }) => partition ?? '')).size;
  if (folders > spec.output.maxPartitions) {
    const message = `expected at most ${spec.output.maxPartitions} folders (output.maxPartitions), the job made ${folders}`;
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
async function firstAbsentPart({ output }: FinishJob, summary: GenerationSummary): Promise<string | null> {
  const problems = await inSteps([...summary.parts, ...summary.rejects], async ({ uri, bytes }) => {
    const size = await output.size(uri);
    return size === bytes ? null : `${uri}: its receipt says ${bytes} bytes, found ${size === null ? 'nothing' : `${size} bytes`}`;
  });
  return problems.find((problem) => problem !== null) ?? null;
}

/** A job may have very many: a few are asked for at once, and the answers come in order. */
async function inSteps<Item, Result>(items: readonly Item[], act: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(act))));
  return results;
}

/** Parts of this job, of generations up to this one, that no receipt names, whole or cut off: left by attempts that were killed or lost. */
async function removeOrphans(job: FinishJob, summary: GenerationSummary): Promise<void> {
  const { spec, orders, output, host } = job;
  const { jobId, generation } = orders;
  const named = new Set([...summary.parts, ...summary.rejects, ...(await supersededParts(job))].map(({ uri }) => uri));
  const orphans: string[] = [];
  for (const folder of new Set([...(await partFolders(spec, output)), rejectsUri(spec)])) {
    for await (const { key } of output.list(folder)) if (isPartOf(key, jobId, generation) && !named.has(key)) orphans.push(key);
    for await (const { key } of output.list(folder, '.tmp-')) if (isPartOf(key, jobId, generation)) orphans.push(key);
  }
  await output.delete(orphans);
  await host.journal.removeTemporaries(jobId);
}

/** When none of its attempts can be alive any more: what was killed or fenced behind this finish may still leave parts. */
async function sweepLater({ orders, view, spec, host }: FinishJob): Promise<void> {
  const { jobId, generation, tenant, jobKey, specDigest } = orders;
  const largest = view.chunks.reduce((most, { chunk }) => Math.max(most, chunkBytes(chunk)), 0);
  const lifetimeMs = attemptDeadlineMs(largest, spec.execution.attemptTimeLimit, true) + host.times.leaseMs;
  await host.queues.sweeps.add({ jobId, generation, tenant, jobKey, specDigest }, lifetimeMs);
}

/** The removal of orphans once more, long after the generation completed. Safe also while a later one runs: the names say of which they are. */
export async function sweepLate(sweep: LateSweep, host: Host): Promise<void> {
  const nothing = { first: 0, unplannable: [], end: null, previous: null } as const;
  const orders: WorkOrders = { ...sweep, ...nothing, kind: 'finish', workId: chunkId(sweep.jobId, 'finish', 0) };
  const job = await loadFinishJob(orders, host);
  // Only what completed has every verdict filled, and only then nobody can commit any more.
  const manifest = job.view.manifests.find(({ generation }) => generation === sweep.generation);
  if (manifest?.state === 'completed') await removeOrphans(job, await summarise(job));
}

/** Of receipts of reduce chunks that ran again for other inputs: readers of the older manifest need them until the newer one stands. */
async function supersededParts({ view, orders, host }: FinishJob): Promise<Pick<ManifestPart, 'uri'>[]> {
  const older = view.chunks.flatMap(({ chunk, listedIn, verdicts }) => {
    const counts = listedIn.filter((generation) => generation <= orders.generation).at(-1) ?? 1;
    return chunk.kind === 'partition' ? verdicts.filter(({ generation }) => generation < counts) : [];
  });
  const receipts = await inSteps(older, ({ key }) => host.journal.readVerdictAt(key));
  return receipts.flatMap((stored) => (stored?.record.outcome === 'committed' ? [...stored.record.parts, ...stored.record.rejects] : []));
}

/** After the manifest: nobody who begins to read now is led to them. Exchange objects stay while something may be redriven or replayed. */
async function removeOutdated(job: FinishJob, manifest: Manifest): Promise<void> {
  if (manifest.state !== 'completed') return;
  await job.output.delete((await supersededParts(job)).map(({ uri }) => uri));
  // Files of rejects stay when every one of them was replayed.
  const isRejected = (manifest.stages ?? []).some(({ balance }) => balance.rejected > 0);
  if (manifest.gaps.length === 0 && !isRejected) await job.host.journal.removeWork(manifest.jobId);
}

const rejectsUri = (spec: ResolvedJobSpec): string => spec.rejects.uri ?? `${spec.output.uri}_rejects/`;

function manifestOf({ view, spec, orders, host }: FinishJob, summary: Summary, ending: Ending, evidence: FailureEvidence | undefined): Manifest {
  const { record: job } = view.job;
  const endedAt = host.clock.nowIso();
  return {
    record: 'manifest',
    version: 1,
    jobId: job.jobId,
    name: job.name,
    generation: orders.generation,
    state: ending?.state ?? 'completed',
    specDigest: orders.specDigest,
    pinsDigest: view.pins?.digest ?? null,
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
    files: [...summary.files],
    parts: [...summary.parts],
    rejects: [...summary.rejects],
    // What a failed generation lacks was accepted by nobody.
    gaps: ending === null ? [...summary.gaps] : [],
    ...(summary.replays.length === 0 ? {} : { replays: [...summary.replays] }),
  };
}

/** Without what replays have taken off to the last. */
const counted = (codes: Counts): Counts => Object.fromEntries(Object.entries(codes).filter(([, times]) => times !== 0));
const hasAny = (codes: Counts): boolean => Object.values(codes).some((times) => times !== 0);

/** Before the marker goes: whoever repeats this finish owes the same webhooks again, and only once. */
async function oweCallbacks({ spec, view, host }: FinishJob, manifest: Manifest): Promise<void> {
  const { jobId, generation, state, name, endedAt, balance, chunks, failure, outputUri, parts } = manifest;
  const of = { jobId, generation, tenant: view.job.record.tenant, createdAt: endedAt };
  const data = { jobId, name, generation, state, balance, chunks, failure, outputUri, parts: parts.length, endedAt };
  for (const callback of callbacksOf(spec, of, `job.${state}`, data)) await host.journal.putCallback(callback);
}

/** What readers look at: a copy of the manifest, then `_SUCCESS`. A failed or cancelled generation publishes nothing. */
async function publish({ output, spec }: FinishJob, manifest: Manifest): Promise<void> {
  if (manifest.state !== 'completed') return;
  const { jobId, generation } = manifest;
  const uri = `${spec.output.uri}_manifests/${jobId}.${String(generation).padStart(6, '0')}.json`;
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
