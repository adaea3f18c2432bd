/** Chunks and their attempts. */
import { type AttemptRow, type ChunkDetail, chunkFields, type chunkRoutes } from '@millrace/api-contract';
import { type ChunkId, type JobId, parseFilter } from '@millrace/protocol';
import type { Api } from '../api.ts';
import { ask } from '../ask.ts';
import type { Caller } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { chunkRows, findChunks, planDetails, receiptView } from '../reads/chunk-rows.ts';
import { showing } from '../reads/content.ts';
import { attemptRow, runningAttempt } from '../reads/failures.ts';
import { assertKept, type LookedAt, lookAt, outlineOf, placeOf } from '../reads/look.ts';
import { newestFirstPage, numberOf } from '../reads/pages.ts';

const shownHistory = 50;

export const chunkHandlers: HandlersOf<typeof chunkRoutes> = {
  'GET /jobs/{jobId}/chunks': async ({ params, query, caller }, api) => {
    const filter = parseFilter(query.q, chunkFields);
    const list = `chunks ${params.jobId} ${filter.text}`;
    const after = numberOf(list, query, api);
    const looked = await lookAt(params.jobId, caller, api);
    const { chunks, total, more } = await findChunks(looked, { filter, after, limit: query.limit }, api);
    const data = await chunkRows(looked, chunks, api);
    const last = chunks.at(-1);
    return { status: 200, body: { data, nextCursor: more && last !== undefined ? api.cursors.write(list, last) : null, total, filter: filter.text } };
  },

  'GET /jobs/{jobId}/chunks/{stage}/{index}': async ({ params, caller }, api) => {
    const looked = await lookAt(params.jobId, caller, api);
    return { status: 200, body: await chunkDetail(looked, params.stage, params.index, api) };
  },

  'GET /jobs/{jobId}/chunks/{stage}/{index}/attempts': async (call, api) => {
    const { params, query, caller } = call;
    const at = await attemptPlace(params, caller, api);
    const body = await showing(query.content, { act: 'attempt.show', object: `chunk:${at.id}`, tenant: at.tenant }, call, api, async () => {
      return newestFirstPage(`attempts ${at.id}`, await attemptsOf(at, query.content, api), query, api);
    });
    return { status: 200, body };
  },

  'GET /jobs/{jobId}/chunks/{stage}/{index}/attempts/{attemptId}': async (call, api) => {
    const { params, query, caller } = call;
    const at = await attemptPlace(params, caller, api);
    const shown = { act: 'attempt.show', object: `attempt:${params.attemptId}`, tenant: at.tenant } as const;
    const found = await showing(query.content, shown, call, api, async () => {
      return (await attemptsOf(at, query.content, api)).find(({ attemptId }) => attemptId === params.attemptId);
    });
    if (found === undefined) throw new ApiProblem('NOT_FOUND', `cannot find attempt ${params.attemptId} at chunk ${at.id}`);
    return { status: 200, body: found };
  },

  'POST /jobs/{jobId}/chunks/{stage}/{index}/retry-now': async ({ params, body, caller, signal, audit }, api) => {
    const { jobId, stage, index: chunk } = params;
    const looked = await lookAt(jobId, caller, api);
    placeOf(looked, stage, chunk);
    const { reason = '' } = body;
    await ask(api, { caller, tenant: looked.record.tenant, signal, audit }, { kind: 'retryNow', jobId, stage, chunk, reason });
    const [row] = await chunkRows(await lookAt(jobId, caller, api), [chunk], api);
    if (row === undefined) throw new ApiProblem('NOT_FOUND', `cannot find chunk ${stage}.${chunk} of job ${jobId}`);
    return { status: 202, body: { chunkId: row.chunkId, state: row.state, retryAt: row.retryAt }, object: `chunk:${row.chunkId}` };
  },
};

async function chunkDetail(looked: LookedAt, stage: string, index: number, api: Api): Promise<ChunkDetail> {
  const place = placeOf(looked, stage, index);
  const { record, outline } = looked;
  const [rows, { chunk }, receipts, history] = await Promise.all([
    chunkRows(looked, [index], api),
    api.jobs.kept.chunk(place),
    api.journal.readReceipts(record.jobId, stage, index, outline.generation),
    attemptsOf({ jobId: record.jobId, stage, index, id: `${record.jobId}.${stage}.${index}` as ChunkId, generation: outline.generation }, false, api),
  ]);
  const [row] = rows;
  if (row === undefined) throw new ApiProblem('NOT_FOUND', `cannot find chunk ${stage}.${index} of job ${record.jobId}`);
  // A partition that runs again for other inputs has no receipt that counts yet.
  const receipt = row.state === 'committed' ? receipts.at(-1) : undefined;
  return {
    ...row,
    ...planDetails(looked, chunk),
    rejects: receipt === undefined ? row.rejects : receipt.counts.rejected,
    receipt: receipt === undefined ? null : receiptView(receipt),
    history: history.slice(0, shownHistory).map(({ failure, ...attempt }) => ({ ...attempt, code: failure?.code ?? null, message: failure?.message ?? null })),
  };
}

interface AttemptPlace {
  readonly jobId: JobId;
  readonly stage: string;
  readonly index: number;
  readonly id: ChunkId;
  readonly generation: number;
}

/** Planning and finishing have attempts too, and no place in a plan. Throws `NOT_FOUND`. */
async function attemptPlace(params: { jobId: JobId; stage: string; index: number }, caller: Caller, api: Api): Promise<AttemptPlace & { tenant: string }> {
  const { jobId, stage, index } = params;
  const outline = await outlineOf(jobId, caller, api);
  assertKept(outline, 'history');
  const { record } = outline.job;
  if (stage !== 'plan' && stage !== 'finish') placeOf({ record, plan: await api.jobs.kept.plan(outline) }, stage, index);
  return { jobId, stage, index, id: `${jobId}.${stage}.${index}` as ChunkId, generation: outline.generation, tenant: record.tenant };
}

async function attemptsOf({ jobId, stage, index, id, generation }: AttemptPlace, withContent: boolean, api: Api): Promise<AttemptRow[]> {
  const [live, ended] = await Promise.all([api.jobs.fromRedis((queues) => queues.ledger.chunk(id)), api.journal.readAttempts(jobId, stage, index, generation)]);
  const running = runningAttempt(live);
  const rows = ended.map((view) => attemptRow(view, withContent));
  // It may have ended while both were read.
  return running === null || rows.some(({ attemptId }) => attemptId === running.attemptId) ? rows : [running, ...rows];
}
