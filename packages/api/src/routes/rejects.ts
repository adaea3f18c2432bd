/** Rejects, corrections, and windows of raw bytes. */
import { Readable } from 'node:stream';
import { maxWindowBytes, type RejectDetail, type rejectRoutes } from '@millrace/api-contract';
import {
  EditedExportError,
  type ExportShape,
  exportCsvHeader,
  exportCsvRow,
  exportNdjsonRow,
  exportShape,
  gatherCorrections,
  type ReplayedReject,
  readEditedExportInTurns,
} from '@millrace/journal';
import { type ChunkId, codeInfo, type JobId } from '@millrace/protocol';
import { z } from 'zod';
import type { Api } from '../api.ts';
import { mayReach } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { showing } from '../reads/content.ts';
import { allRejects, type FoundReject, type RejectQuery, readRejectFilter, rejectPage, stateOf } from '../reads/find-rejects.ts';
import { readRecordAt, readWindow } from '../reads/inputs.ts';
import { assertKept, type LookedAt, lookAt, outlineOf, replaysOf } from '../reads/look.ts';
import { chunksBefore, chunksWithRejects, readRows, rejectFiles, rowsOf } from '../reads/reject-files.ts';
import { fieldsOf, rejectAlone, rejectInList } from '../reads/reject-views.ts';
import { readSummaryFilter, summarise } from '../reads/sum-rejects.ts';

type ListCall = Parameters<(typeof rejectHandlers)['GET /jobs/{jobId}/rejects']>[0];

const placeShape = z.strictObject({ chunk: z.int().min(0), row: z.int().min(0) });
const shownCannot = 1_000;

export const rejectHandlers: HandlersOf<typeof rejectRoutes> = {
  'GET /jobs/{jobId}/rejects': async (call, api) => {
    const filter = readRejectFilter(call.query.q);
    const looked = await lookAt(call.params.jobId, call.caller, api);
    assertKept(looked.outline, 'rejects');
    const query = { filter, replays: await replaysOf(looked, api), nowMs: api.clock.nowMs() };
    const media = call.accept.find((type) => exports.includes(type) || type === 'application/json' || type === '*/*');
    if (media === 'text/csv' || media === 'application/x-ndjson') return exported(media, looked, query, call, api);
    return { status: 200, body: await listed(looked, query, call, api) };
  },

  'GET /rejects/summary': async ({ query, caller }, api) => {
    const filter = readSummaryFilter(query.q);
    const jobs = (await api.index.all()).filter(({ record }) => mayReach(caller, record.tenant));
    return { status: 200, body: await summarise(jobs, filter, query.by, api) };
  },

  'GET /rejects/{rejectId}': async (call, api) => {
    const { rejectId } = call.params;
    const at = partsOf(rejectId);
    const looked = await lookAt(at.jobId, call.caller, api).catch((error: unknown) => {
      throw error instanceof ApiProblem && error.code === 'NOT_FOUND' ? noReject(rejectId) : error;
    });
    assertKept(looked.outline, 'rejects');
    const { content } = call.query;
    const shown = { act: 'reject.show', object: `reject:${rejectId}`, tenant: looked.record.tenant } as const;
    return { status: 200, body: await showing(content, shown, call, api, () => rejectDetail(looked, at, content, call.signal, api)) };
  },

  'POST /jobs/{jobId}/corrections': async ({ params, body, caller }, api) => {
    const looked = await lookAt(params.jobId, caller, api);
    const { manifest, outline, plan } = looked;
    assertKept(outline, 'rejects');
    if (manifest === null)
      throw new ApiProblem('STATE_CONFLICT', `cannot take corrections of job ${params.jobId}: it has not ended`, { details: { state: looked.state } });
    const job = { ...outline, files: [...plan.index.files.values()] };
    const edited = await readExport(body, exportShape(job));
    const replays = [...(await replaysOf(looked, api)).values()];
    const replayed = {
      replaced: new Set(replays.filter(({ isCommitted }) => isCommitted).map(({ rejectId }) => rejectId)),
      pending: new Map(replays.filter(({ isCommitted }) => !isCommitted).map(({ rejectId, stage, chunk }) => [rejectId, `${stage}.${chunk}`])),
    };
    const gathered = await gatherCorrections(job, api.journal.listManifest(manifest, 'rejects'), replayed, api.core, {
      edited,
      matches: () => true,
    }).catch(tooMany);
    const { unknown, rejects, cannot } = gathered;
    if (unknown.length > 0) {
      const message = `the export names ${unknown.length} rejects that job ${params.jobId} does not have, such as ${unknown[0]}`;
      throw new ApiProblem('REJECT_UNKNOWN', message, { details: { ids: unknown.slice(0, shownCannot), total: unknown.length } });
    }
    if (rejects.length === 0)
      throw new ApiProblem('PLAN_EMPTY', `there is no reject to replay${cannot[0] === undefined ? '' : `: ${cannot[0].rejectId}: ${cannot[0].reason}`}`);
    const set = (await api.journal.putCorrection(params.jobId, rejects, { at: api.clock.nowIso(), by: caller.by })).record;
    const { correctionId, records, unchanged, changedCells, byCode } = set;
    return {
      status: 201,
      body: { correctionId, matched: records, unchanged, changedCells, byCode, cannot: cannot.slice(0, shownCannot), cannotTotal: cannot.length },
      object: `job:${params.jobId}`,
      after: { correctionId, records },
    };
  },

  'GET /jobs/{jobId}/bytes': async ({ params, query, caller, signal }, api) => {
    const outline = await outlineOf(params.jobId, caller, api);
    const { bytes, total } = await readWindow(outline, query, signal, api);
    const end = query.offset + bytes.length - 1;
    return {
      status: 206,
      media: 'application/octet-stream',
      stream: Readable.from([bytes], { objectMode: false }),
      headers: {
        'content-range': `bytes ${query.offset}-${end}/${total ?? '*'}`,
        'content-length': String(bytes.length),
        'content-disposition': `attachment; filename="${params.jobId}-${query.file}-${query.offset}.bin"`,
      },
      object: `job:${params.jobId}`,
      after: { file: query.file, offset: query.offset, length: bytes.length },
    };
  },

  'GET /jobs/{jobId}/record': async ({ params, query, caller, signal }, api) => {
    const outline = await outlineOf(params.jobId, caller, api);
    return { status: 200, body: await readRecordAt(outline, query, signal, api), object: `job:${params.jobId}` };
  },
};

const exports: readonly string[] = ['text/csv', 'application/x-ndjson'];

async function listed(looked: LookedAt, query: RejectQuery, call: ListCall, api: Api) {
  const { jobId, tenant } = looked.record;
  const { limit, cursor, content } = call.query;
  const list = `rejects ${jobId} ${query.filter.text}`;
  const from = cursor === undefined ? { chunk: 0, row: 0 } : api.cursors.read(list, cursor, placeShape);
  const shown = { act: 'rejects.show', object: `job:${jobId}`, tenant } as const;
  const page = await showing(content, shown, call, api, () => rejectPage(looked, query, { from, limit, signal: call.signal }, api));
  return {
    data: page.found.map((found) => rejectInList(found, jobId, content)),
    nextCursor: page.next === null ? null : api.cursors.write(list, page.next),
    total: totalOf(looked, query),
    filter: query.filter.text,
  };
}

/** Exact without a filter, once the generation has ended; else nobody has counted. */
function totalOf({ manifest, rejectRows }: LookedAt, { filter, replays }: RejectQuery): number | null {
  if (manifest === null || filter.terms.length > 0) return null;
  return (rejectRows ?? 0) - [...replays.values()].filter(({ isCommitted }) => isCommitted).length;
}

function exported(media: 'text/csv' | 'application/x-ndjson', looked: LookedAt, query: RejectQuery, call: ListCall, api: Api) {
  const { jobId, tenant } = looked.record;
  const shape = exportShape({ ...looked.outline, files: looked.plan.index.files.values() });
  const shown = { act: 'rejects.show', object: `job:${jobId}`, tenant } as const;
  const ending = media === 'text/csv' ? 'csv' : 'ndjson';
  return showing(true, shown, call, api, async () => ({
    status: 200 as const,
    media,
    stream: Readable.from(exportLines(media, shape, allRejects(looked, query, api, call.signal)), { objectMode: false }),
    headers: { 'content-disposition': `attachment; filename="rejects-${jobId}.${ending}"` },
  }));
}

async function* exportLines(media: string, shape: ExportShape, rejects: AsyncIterable<FoundReject>): AsyncGenerator<string> {
  if (media === 'text/csv') yield exportCsvHeader(shape);
  for await (const { row } of rejects) yield media === 'text/csv' ? exportCsvRow(shape, row) : exportNdjsonRow(shape, row);
}

// One reject

interface RejectAt {
  readonly rejectId: string;
  readonly jobId: JobId;
  readonly stage: string;
  readonly chunk: number;
  /** From 1, in its chunk. */
  readonly number: number;
}

function partsOf(rejectId: string): RejectAt {
  const [jobId = '', stage = '', chunk = '', number = ''] = rejectId.split('.');
  return { rejectId, jobId: jobId as JobId, stage, chunk: Number(chunk), number: Number(number.slice(1)) };
}

const noReject = (rejectId: string): ApiProblem => new ApiProblem('NOT_FOUND', `cannot find reject ${rejectId}`);

async function rejectDetail(looked: LookedAt, at: RejectAt, content: boolean, signal: AbortSignal, api: Api): Promise<RejectDetail> {
  const { record, plan, outline } = looked;
  const files = plan.index.at(at.chunk)?.stage === at.stage ? await rejectFiles(looked, at.chunk, api) : [];
  const [row] = await readRows(files, at.number - 1, 1, api, signal);
  if (row === undefined || row.rejectId !== at.rejectId) throw noReject(at.rejectId);
  const replays = await replaysOf(looked, api);
  const replay = replays.get(at.rejectId);
  const shape = exportShape({ ...outline, files: plan.index.files.values() });
  return {
    ...rejectAlone({ row, state: stateOf(at.rejectId, replays) }, record.jobId, content),
    hint: codeInfo(row.code).hint,
    previous: at.number > 1 ? rejectIdOf(at, at.number - 1) : await lastBefore(looked, at.chunk, api),
    next: at.number < rowsOf(files) ? rejectIdOf(at, at.number + 1) : firstBehind(looked, at.chunk),
    fields: content ? fieldsOf(shape, row) : null,
    replay: replay === undefined ? null : await replayView(looked, replay, Buffer.from(row.rawBase64, 'base64'), content, api),
  };
}

const rejectIdOf = ({ jobId, stage, chunk }: Pick<RejectAt, 'jobId' | 'stage' | 'chunk'>, number: number): string => `${jobId}.${stage}.${chunk}.r${number}`;

/** Chunks that only may have some are passed over: to look into very many of them would take long. */
function firstBehind(looked: LookedAt, chunk: number): string | null {
  for (const next of chunksWithRejects(looked, chunk + 1)) {
    const stage = looked.plan.index.at(next)?.stage;
    if (stage !== undefined && looked.states.rejectsOf(next) !== null) return rejectIdOf({ jobId: looked.record.jobId, stage, chunk: next }, 1);
  }
  return null;
}

async function lastBefore(looked: LookedAt, chunk: number, api: Api): Promise<string | null> {
  for (const before of chunksBefore(looked, chunk)) {
    const stage = looked.plan.index.at(before)?.stage;
    if (stage === undefined || looked.states.rejectsOf(before) === null) continue;
    const rows = rowsOf(await rejectFiles(looked, before, api));
    if (rows > 0) return rejectIdOf({ jobId: looked.record.jobId, stage, chunk: before }, rows);
  }
  return null;
}

async function replayView(looked: LookedAt, replay: ReplayedReject, was: Buffer, content: boolean, api: Api): Promise<RejectDetail['replay']> {
  const { outline, record } = looked;
  const command = outline.commands.find(({ opens, correction }) => opens === replay.generation && correction !== null);
  if (command?.correction == null) return null;
  const bytes = Buffer.from((await api.journal.readInline(replay.key)).subarray(replay.offset, replay.offset + replay.length));
  return {
    chunkId: `${record.jobId}.${replay.stage}.${replay.chunk}` as ChunkId,
    generation: replay.generation,
    correctionId: command.correction,
    by: command.by,
    at: command.at,
    reason: command.reason,
    corrected: !bytes.equals(was),
    raw: content ? bytes.subarray(0, maxWindowBytes).toString('base64') : null,
  };
}

// Corrections

async function readExport(body: Uint8Array, shape: ExportShape): ReturnType<typeof readEditedExportInTurns> {
  try {
    return await readEditedExportInTurns(body, shape);
  } catch (error) {
    if (!(error instanceof EditedExportError)) throw error;
    throw new ApiProblem('REQUEST_INVALID', error.message, { issues: [{ pointer: '', code: 'REQUEST_INVALID', message: error.message }] });
  }
}

function tooMany(error: unknown): never {
  if (error instanceof RangeError) throw new ApiProblem('REQUEST_TOO_LARGE', error.message);
  throw error;
}
