/** A job looked at closely: timeline, stages, files, strip. */

import type { JobFileView, JobStageView, jobDetailRoutes } from '@millrace/api-contract';
import { chunksOfFile, chunksOfStage, fileStrip, inTurns, type JobOutline, specOfGeneration, stageStrip } from '@millrace/journal';
import {
  type Balance,
  type ChunkState,
  chunkStates,
  type InputFile,
  isKeyStage,
  type JobId,
  jobStages,
  laterStages,
  type Manifest,
  type ManifestFile,
  stagesOf,
} from '@millrace/protocol';
import type { LedgerRejects } from '@millrace/queues';
import type { Api } from '../api.ts';
import type { Caller } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { type LookedAt, ledgerOf, lookAt, outlineOf, retirementOf } from '../reads/look.ts';
import { newestFirstPage, numberOf, type PageQuery } from '../reads/pages.ts';
import { timelineOf } from '../reads/timeline.ts';

export const jobDetailHandlers: HandlersOf<typeof jobDetailRoutes> = {
  'GET /jobs/{jobId}/timeline': async ({ params, query, caller }, api) => {
    const outline = await outlineOf(params.jobId, caller, api);
    return { status: 200, body: newestFirstPage(`timeline ${params.jobId}`, await timelineOf(outline, api), query, api) };
  },

  'GET /jobs/{jobId}/stages': async ({ params, caller }, api) => ({ status: 200, body: { data: await stagesOfJob(params.jobId, caller, api) } }),

  'GET /jobs/{jobId}/files': async ({ params, query, caller }, api) => {
    const outline = await outlineOf(params.jobId, caller, api);
    if (retirementOf(outline, 'history') !== null) return { status: 200, body: await filesOfManifest(outline, query, api) };
    return { status: 200, body: await filesPage(await lookAt(params.jobId, caller, api), query, api) };
  },

  'GET /jobs/{jobId}/strip': async ({ params, query, caller }, api) => {
    const looked = await lookAt(params.jobId, caller, api);
    const { cells, stage = null } = query;
    if (stage !== null && !jobStages(looked.record).some(({ name }) => name === stage)) throw notThere('stage', stage, params.jobId, stageNames(looked));
    const { file } = query;
    const body = file === undefined ? await wholeStrip(looked, stage, cells) : await stripOfFile(looked, file, stage, cells, api);
    return { status: 200, body };
  },
};

const stageNames = ({ record }: LookedAt): string[] => jobStages(record).map(({ name }) => name);

function notThere(what: string, asked: string | number, jobId: JobId, there: readonly string[]): ApiProblem {
  const message = `cannot find ${what} ${asked} of job ${jobId}: expected ${there.join(', ')}`;
  return new ApiProblem('NOT_FOUND', message, { issues: [{ pointer: `/query/${what}`, code: 'NOT_FOUND', message }] });
}

// Stages

/** From the manifest, else from the ledger; only where both are absent the plan and the verdicts are counted. */
async function stagesOfJob(jobId: JobId, caller: Caller, api: Api): Promise<JobStageView[]> {
  const outline = await outlineOf(jobId, caller, api);
  const { record } = outline.job;
  const manifest = outline.manifests.find(({ generation }) => generation === outline.generation) ?? null;
  const ledger = manifest === null ? await ledgerOf(outline, api) : null;
  const looked = manifest === null && ledger === null ? await lookAt(jobId, caller, api) : null;
  const from = new Map(stagesOf(specOfGeneration(outline, outline.generation).spec).map((stage) => [stage.name, stage.from]));
  const later = laterStages(jobStages(record)).map(({ name }) => name);
  const isPlanned = (stage: string): boolean => {
    if (manifest !== null) return true;
    if (ledger === null) return looked?.plan.isPlanned(stage) ?? false;
    return later.includes(stage) ? later.indexOf(stage) < ledger.plannedStages : ledger.sealed;
  };
  const views = jobStages(record).map(async ({ name, kind }): Promise<JobStageView> => {
    const ended = manifest?.stages?.find((stage) => stage.name === name);
    const running = ledger?.stageViews.find((stage) => stage.name === name);
    const counts = ended?.chunks ?? running?.chunks ?? (await countsOfStage(looked ?? (await lookAt(jobId, caller, api)), name));
    const balance = ended?.balance ?? (running === undefined ? null : balanceOfSums(running.sums));
    return { name, kind, from: [...(from.get(name) ?? [])], chunks: counts, balance, sealed: isPlanned(name) };
  });
  return Promise.all(views);
}

function balanceOfSums({ bytesIn: _, bytesOut: __, ...fates }: Omit<Balance, 'unreadBytes'> & { bytesIn: number; bytesOut: number }): Balance {
  return { ...fates, unreadBytes: 0 };
}

async function countsOfStage({ plan, states }: LookedAt, stage: string): Promise<JobStageView['chunks']> {
  const counts = { total: 0, committed: 0, dead: 0 };
  const chunks = await chunksOfStage(plan.index, stage);
  await inTurns(chunks.length, (at) => {
    const state = states.stateOf(chunks[at] ?? 0);
    counts.total += 1;
    if (state === 'committed' || state === 'dead') counts[state] += 1;
  });
  return counts;
}

// Files

async function filesPage(looked: LookedAt, query: PageQuery, api: Api) {
  const { jobId, inputFiles: total } = looked.record;
  const list = `files ${jobId}`;
  const first = numberOf(list, query, api) ?? 0;
  const files = await readFiles(looked, first, query.limit, api);
  const [failures, rejects] = await Promise.all([unplannedFiles(looked, files, api), rejectsByFile(looked, api)]);
  const ended = await endedFiles(looked.manifest, api);
  const chunks = await chunksByFile(looked, first, files.length);
  const inputs = looked.record.spec.inputs;
  const data = files.map((file): JobFileView => {
    const known = ended.get(file.file);
    const counts = known?.balance ?? rejects?.[file.file] ?? null;
    return {
      file: file.file,
      input: inputs[file.input]?.name ?? '',
      uri: file.uri,
      etag: file.etag,
      size: file.size,
      ...extentOf(looked, file.file, chunks.ends[file.file - first] ?? null),
      chunks: chunks.counts[file.file - first] ?? noCounts(),
      balance: known?.balance ?? null,
      recordsIn: counts?.recordsIn ?? null,
      rejected: counts?.rejected ?? null,
      failure: failures.get(file.file) ?? null,
    };
  });
  const next = first + data.length;
  return { data, nextCursor: next < total && data.length > 0 ? api.cursors.write(list, next) : null, total };
}

/** What is left of the files of a job whose plans are kept no longer. */
async function filesOfManifest({ job, manifests }: JobOutline, query: PageQuery, api: Api) {
  const all = [...(await endedFiles(manifests.at(-1) ?? null, api)).values()];
  const list = `files ${job.record.jobId}`;
  const first = numberOf(list, query, api) ?? 0;
  const data = all.slice(first, first + query.limit).map(({ file, uri, etag, size, balance }): JobFileView => {
    const { recordsIn, rejected } = balance;
    const unknown = { input: '', length: null, unit: 'byte', records: null, failure: null } as const;
    return { file, uri, etag, size, ...unknown, planned: true, chunks: noCounts(), balance, recordsIn, rejected };
  });
  const next = first + data.length;
  return { data, nextCursor: next < all.length ? api.cursors.write(list, next) : null, total: all.length };
}

/** Files lie in records of up to 1,000; a page touches two at most. */
async function readFiles({ record }: LookedAt, first: number, limit: number, api: Api): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const [segment, part] of record.inputs.entries()) {
    if (part.first + part.count <= first || part.first >= first + limit) continue;
    const stored = await api.journal.readInputs(record.jobId, segment);
    files.push(...(stored?.record.files ?? []).filter(({ file }) => file >= first && file < first + limit));
  }
  return files;
}

/** Behind a file's last planned byte, or row. */
interface End {
  readonly end: number;
  readonly unit: 'byte' | 'row';
}

function extentOf({ plan }: LookedAt, file: number, planned: End | null): Pick<JobFileView, 'length' | 'unit' | 'planned' | 'records'> {
  const ended = plan.index.ended.get(file);
  const unit = planned?.unit ?? 'byte';
  const length = unit === 'byte' ? (ended?.bytes ?? planned?.end ?? null) : (planned?.end ?? null);
  return { length, unit, planned: ended !== undefined, records: ended?.records ?? null };
}

const noCounts = (): JobFileView['chunks'] => Object.fromEntries([...chunkStates, 'total'].map((state) => [state, 0])) as JobFileView['chunks'];

/** One look over all chunks for the files of a page: counts by state, and how far each is planned. A group of files counts for each of them. */
async function chunksByFile({ plan, states }: LookedAt, first: number, files: number): Promise<{ counts: JobFileView['chunks'][]; ends: (End | null)[] }> {
  const { index } = plan;
  const counts = Array.from({ length: files }, noCounts);
  const ends: (End | null)[] = Array.from({ length: files }, () => null);
  const keys = new Set(index.segments.flatMap(({ stage }, number) => (isKeyStage(stage) ? [number] : [])));
  const hasOthers = keys.size < index.segments.length;
  await inTurns(index.size, (chunk) => {
    // What a pass over keys reads is read again by the stage behind it.
    if (hasOthers && keys.has(index.segmentOf(chunk))) return;
    const place = index.filesOf(chunk);
    if (place === null || place.last < first || place.first >= first + files) return;
    const state: ChunkState = states.stateOf(chunk);
    for (let at = Math.max(place.first, first) - first; at <= place.last - first && at < files; at += 1) {
      const own = counts[at];
      if (own === undefined || !index.reads(chunk, first + at)) continue;
      own[state] += 1;
      own.total += 1;
      const end = index.endOf(chunk);
      if (end >= (ends[at]?.end ?? 0) && !index.isGroup(chunk)) ends[at] = { end, unit: index.isOfRows(chunk) ? 'row' : 'byte' };
    }
  });
  return { counts, ends };
}

const filesOfManifests = new WeakMap<Manifest, ReadonlyMap<number, ManifestFile>>();

async function endedFiles(manifest: Manifest | null, api: Api): Promise<ReadonlyMap<number, ManifestFile>> {
  const known = manifest === null ? new Map<number, ManifestFile>() : filesOfManifests.get(manifest);
  if (known !== undefined || manifest === null) return known ?? new Map();
  const files = new Map<number, ManifestFile>();
  for await (const file of api.journal.listManifest(manifest, 'files')) files.set(file.file, file);
  filesOfManifests.set(manifest, files);
  return files;
}

/** Of a job that runs. */
async function rejectsByFile({ record, ledger, manifest }: LookedAt, api: Api): Promise<LedgerRejects['byFile'] | null> {
  if (ledger === null || manifest !== null) return null;
  return (await api.jobs.fromRedis((queues) => queues.ledger.rejects(record.jobId)))?.byFile ?? null;
}

/** Why files cannot be planned: their newest dead letter, unless a later plan has them. */
async function unplannedFiles({ record, plan }: LookedAt, files: readonly InputFile[], api: Api): Promise<Map<number, { code: string; message: string }>> {
  const wanted = new Set(files.flatMap(({ file }) => (plan.index.ended.has(file) ? [] : [file])));
  const newest = new Map<number, number>();
  if (wanted.size > 0) {
    for await (const { chunk, generation } of api.journal.listDeadLetters(record.jobId, 'plan')) {
      if (wanted.has(chunk)) newest.set(chunk, Math.max(generation, newest.get(chunk) ?? 0));
    }
  }
  const failures = new Map<number, { code: string; message: string }>();
  for (const [file, generation] of newest) {
    const letter = (await api.journal.readDeadLetter(record.jobId, 'plan', file, generation))?.record;
    if (letter !== undefined) failures.set(file, { code: letter.code, message: letter.message });
  }
  return failures;
}

// The strip

async function wholeStrip(looked: LookedAt, asked: string | null, cells: number) {
  const { plan, record, states } = looked;
  const names = jobStages(record).map(({ name }) => name);
  const stage = asked ?? names.find((name) => !isKeyStage(name)) ?? record.stage;
  const strip = await stageStrip(await chunksOfStage(plan.index, stage), cells, states);
  return { file: null, stage, unit: 'chunk' as const, length: strip.length, planned: plan.isPlanned(stage), chunks: strip.counts, cells: [...strip.cells] };
}

async function stripOfFile(looked: LookedAt, number: number, asked: string | null, cells: number, api: Api) {
  const { plan, record, states } = looked;
  const [file] = await readFiles(looked, number, 1, api);
  if (file === undefined)
    throw notThere('file', number, record.jobId, [record.inputFiles === 0 ? 'none: its chunks are sent by a producer' : `0 to ${record.inputFiles - 1}`]);
  const { index } = plan;
  const names = jobStages(record).map(({ name }) => name);
  const { stage, chunks } = await chunksOfFile(index, number, asked, names);
  const ended = index.ended.get(number);
  const strip = await fileStrip(index, chunks, cells, states, ended?.bytes ?? file.size);
  const unit = index.at(chunks[0] ?? -1)?.kind === 'rows' ? ('row' as const) : ('byte' as const);
  return {
    file: { file: number, uri: file.uri, size: file.size },
    stage: stage ?? asked ?? record.stage,
    unit,
    length: unit === 'byte' && ended !== undefined ? ended.bytes : strip.length,
    planned: ended !== undefined,
    chunks: strip.counts,
    cells: [...strip.cells],
  };
}
