/**
 * One very large job that nobody ran: a file of so many chunks, written into a journal and told to a ledger as a run would have left it, with the API over
 * both. Nine tenths are committed, 2,000 dead, 50 running.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type RunningApi, startApi } from '../../packages/api/src/start-api.ts';
import { corePath, SteadyCore, startCore } from '../../packages/core-client/src/index.ts';
import { type Journal, journalConnection, openJournal } from '../../packages/journal/src/index.ts';
import { type ChunkId, chunkId, type JobId, jobIdFromKey, resolveJobSpec, segmentRanges, specDigest } from '../../packages/protocol/src/index.ts';
import { openQueues, type Queues } from '../../packages/queues/src/index.ts';
import { dispatched, opening, quietLog, tenRows, testJob, testLetter, testTimes } from '../../packages/queues/src/testing/fixture.ts';
import { silentLog } from '../../packages/service-kit/src/index.ts';
import { startBenchRedis } from './bench-redis.ts';

export const writtenChunkBytes = 8 << 20;
const [perSegment, dead, running, recordsPerChunk] = [1_000, 2_000, 50, 80_000];
const mostEmpty = 10_000;
const at = '2026-11-23T10:00:00.000Z';
const digest = 'ab'.repeat(32);

export interface WrittenJob {
  readonly jobId: JobId;
  readonly queues: Queues;
  readonly api: RunningApi;
  /** An admin's. */
  readonly token: string;
  /** So many of the chunks that run commit, and as many others begin. */
  advance(chunks: number): Promise<void>;
  stop(): Promise<void>;
}

/** Takes about a minute for a million chunks. `dashboard`: directory of the built pages. */
export async function startWrittenJob(name: string, total: number, dashboard: string | null = null): Promise<WrittenJob> {
  const jobId = jobIdFromKey('default', `${name}-${total}`);
  const directory = mkdtempSync(join(tmpdir(), `millrace-${name}-`));
  for (const below of ['journal', 'scratch']) mkdirSync(join(directory, below));
  const [journalUri, scratch] = [pathToFileURL(join(directory, 'journal')).href, join(directory, 'scratch')];
  const redis = await startBenchRedis();
  const queues = await openQueues({ redis: redis.redis.url, times: testTimes, log: quietLog });
  await queues.sentinel.begin();
  const core = coreOf(journalUri, scratch);
  const journal = openJournal(core);
  await fillJournal(journal, jobId, total);
  await fill(journal, queues, jobId, total);
  const held: ChunkId[] = [];
  await run(queues, jobId, running, held);
  const token = `mrt_${'b'.repeat(43)}`;
  const common = { redis: redis.redis.url, journal: journalUri, core: corePath(), host: '127.0.0.1', port: 0, environment: 'bench', timeScale: 1 };
  const options = { ...common, requestsPerMinute: 1_000_000, devToken: token, dashboard, readRoots: [], writeRoots: [], scratch, version: '0', log: silentLog };
  const api = await startApi(options);
  return {
    jobId,
    queues,
    api,
    token,
    advance: (chunks) => advance(queues, jobId, chunks, held),
    stop: async () => {
      await api.stop();
      await queues.close();
      await core.stop();
      await redis.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function coreOf(journalUri: string, scratchDir: string): SteadyCore {
  const bounds = { slot: 0, memoryBytes: 256 << 20, scratchBytes: 0, scratchDir, readRoots: [], writeRoots: [], httpAllow: [], ports: [] };
  const hello = { hostVersion: 'bench', ...bounds, connections: [journalConnection(journalUri)], sandbox: 'bestEffort', logLevel: 'warn' } as const;
  return new SteadyCore(() => startCore({ binary: corePath(), hello, log: silentLog }));
}

function segmentOf(jobId: JobId, segment: number, total: number) {
  const counts = { records: recordsPerChunk, lines: recordsPerChunk, damages: 0, blankLines: 0, commentLines: 0 };
  const first = segment * perSegment;
  const chunks = Array.from({ length: Math.min(perSegment, total - first) }, (_, index) => {
    const chunk = first + index;
    const [start, record] = [chunk * writtenChunkBytes, chunk * recordsPerChunk + 1];
    return { chunk, kind: 'range' as const, file: 0, start, end: start + writtenChunkBytes, record, line: record, ...counts };
  });
  const columns = { header: ['id', 'name', 'amount'], mapping: [0, 1, 2], extra: [] };
  const size = total * writtenChunkBytes;
  const file = { file: 0, input: 0, uri: 'file:///in/orders.csv', etag: 'e', size, bom: 0, dataStart: 0, firstLine: 1, ...columns };
  const head = { record: 'segment', version: 1, jobId, generation: 1, stage: 'read', segment, specDigest: digest, pinsDigest: digest } as const;
  return { ...head, firstChunk: first, files: [file], chunks, ended: [] };
}

async function fillJournal(journal: Journal, jobId: JobId, total: number): Promise<void> {
  const spec = resolveJobSpec({ name: 'orders', inputs: 'file:///in/orders.csv', output: { uri: 'file:///out/' } });
  const size = total * writtenChunkBytes;
  const files = [{ file: 0, input: 0, uri: 'file:///in/orders.csv', etag: 'e', size }];
  const inputs = await journal.putInputs({ record: 'inputs', version: 1, jobId, segment: 0, first: 0, files });
  const part = { key: inputs.stored.key, digest: inputs.stored.digest, first: 0, count: 1 };
  const head = { record: 'job', version: 1, jobId, tenant: 'default', name: 'orders', idempotencyKey: null, acceptedAt: at, resultVersion: 1 } as const;
  const sums = { inputs: [part], inputFiles: 1, inputBytes: size };
  await journal.putJob({ ...head, specDigest: specDigest(spec), spec, stage: 'read', stages: [{ name: 'read', kind: 'map' }], lookups: [], ...sums });
}

/** The plan into journal and ledger, then what became of its chunks. */
async function fill(journal: Journal, { ledger }: Queues, jobId: JobId, total: number): Promise<void> {
  await ledger.createJob(testJob('', { jobId, inputBytes: total * writtenChunkBytes }));
  const segments = Math.ceil(total / perSegment);
  for (let segment = 0; segment < segments; segment += 1) {
    const stored = (await journal.putSegment(segmentOf(jobId, segment, total))).stored;
    if (stored.record.record !== 'segment') throw new Error('the segment stands already');
    await ledger.recordSegment(jobId, 1, { ...segmentRanges(stored.record), key: stored.key, digest: stored.digest });
  }
  await journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation: 1, stage: null, segments });
  await ledger.sealPlan(jobId, 1, { segments, chunks: total, bytes: total * writtenChunkBytes });
  const step = Math.floor(total / dead);
  const committed = Array.from({ length: Math.floor(total * 0.9) }, (_, chunk) => chunk).filter((chunk) => chunk % step !== 7);
  await ledger.setOutcomes(jobId, 1, 'read', committed);
  for (let chunk = 7; chunk < total; chunk += step) {
    const id = chunkId(jobId, 'read', chunk);
    await ledger.markDead(id, 1, testLetter(id, { code: chunk % 2 === 0 ? 'INPUT_CHANGED' : 'CORE_CRASH' }));
  }
}

/** The chunks that run now are in `held`. */
async function run(queues: Queues, jobId: JobId, chunks: number, held: ChunkId[]): Promise<void> {
  for (let [left, empty] = [chunks, 0]; left > 0; ) {
    const found = await queues.ledger.dispatchable(jobId, left);
    // The ledger looks at so many chunks at a time: an answer passes over those that are committed.
    empty = found.length === 0 ? empty + 1 : 0;
    if (empty > mostEmpty) throw new Error(`nothing more of ${jobId} can be dispatched`);
    for (const chunk of found) {
      await queues.ledger.openAttempt(opening(await dispatched(queues, chunk)));
      held.push(chunk.chunkId);
    }
    left -= found.length;
  }
}

/** So many of those that run commit, and as many others begin. */
async function advance(queues: Queues, jobId: JobId, chunks: number, held: ChunkId[]): Promise<void> {
  const done = held.splice(0, chunks);
  for (const id of done) await queues.ledger.markCommitted(id, 1, tenRows(0));
  await run(queues, jobId, done.length, held);
}
