/**
 * Redis is emptied under a journal of very many open jobs: how long until each of them is dispatched again, and until the sums of all receipts are known
 * again. A real scheduler, Redis and core; the journal is written as files, each job with one sealed plan of whole segments and receipts of a half of its
 * chunks.
 *
 * npm run bench -- rebuild --jobs 1000 --chunks 1000
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { corePath } from '@millrace/core-client';
import { inputsKey, jobKey, openMarkerKey, sealedKey, segmentKey, verdictKey } from '@millrace/journal';
import { encodeRecord, fileUri, type JobId, jobIdFromKey, parseRecord, parseTaskKeys, resolveJobSpec, sha256Hex, specDigest } from '@millrace/protocol';
import { silentLog } from '@millrace/service-kit';
import { startScheduler } from '../packages/scheduler/src/start-scheduler.ts';
import { startBenchRedis } from './control-plane/bench-redis.ts';
import { keep } from './keep.ts';

const { values } = parseArgs({ options: { jobs: { type: 'string', default: '1000' }, chunks: { type: 'string', default: '1000' } } });
const [jobs, chunks] = [values.jobs, values.chunks].map(Number) as [number, number];
const chunksOfSegment = 1_000;
const at = new Date().toISOString();
const digest = 'ab'.repeat(32);

const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-rebuild-'));
const journal = join(directory, 'journal');
for (const name of ['journal', 'in', 'out', 'scratch']) await mkdir(join(directory, name));
const bench = await startBenchRedis();
try {
  const ids: JobId[] = [];
  for (let job = 0; job < jobs; job++) ids.push(await writeJob(`job-${job}`));
  console.log(`${jobs} jobs of ${chunks} chunks are written`);
  const scheduler = await startScheduler({
    redis: bench.redis.url,
    journal: fileUri(journal),
    core: corePath(),
    taskKeys: parseTaskKeys(`k1:${'0'.repeat(64)}`),
    pool: 'default',
    timeScale: 1,
    readRoots: [join(directory, 'in')],
    writeRoots: [join(directory, 'out')],
    scratch: join(directory, 'scratch'),
    log: silentLog,
  });
  const { ledger } = scheduler.control.queues;
  const beganMs = performance.now();
  const cpu = process.cpuUsage();
  const seconds = (): number => Math.round((performance.now() - beganMs) / 100) / 10;
  const cpuSeconds = (): number => Math.round(Object.values(process.cpuUsage(cpu)).reduce((sum, us) => sum + us, 0) / 1e5) / 10;
  let mostRss = 0;
  const until = async (holds: (views: NonNullable<Awaited<ReturnType<typeof ledger.job>>>[]) => boolean): Promise<number> => {
    for (;;) {
      await scheduler.control.clock.sleep(500);
      mostRss = Math.max(mostRss, process.memoryUsage().rss);
      if ((await ledger.openJobs().catch(() => [])).length < jobs) continue;
      const views = [];
      for (const id of ids) views.push(await ledger.job(id));
      if (holds(views.filter((view) => view !== null))) return seconds();
    }
  };
  const readySeconds = await until((views) => views.every(({ rebuilding }) => !rebuilding));
  const readyCpuSeconds = cpuSeconds();
  const dispatchedSeconds = await until((views) => views.some((view) => view.chunks.queued > 0));
  console.log({ readySeconds, readyCpuSeconds, dispatchedSeconds });
  const countedSeconds = await until((views) => views.every(({ uncounted }) => uncounted === 0));
  const { slow, peakBytes } = await bench.usage();
  const result = { jobs, chunks, readySeconds, readyCpuSeconds, dispatchedSeconds, countedSeconds, mostRssBytes: mostRss, redisPeakBytes: peakBytes };
  const slowest = slow.toSorted((a, b) => b.ms - a.ms).slice(0, 3);
  console.log(result, slowest);
  keep(`rebuild-${jobs}-${chunks}`, { ...result, allowedSeconds: 120, slowCalls: slow.length, slowest, loadAverage: loadavg()[0] });
  await scheduler.stop();
} finally {
  await bench.stop();
  await rm(directory, { recursive: true, force: true });
}
process.exit(0);

async function put(key: string, bytes: Uint8Array): Promise<string> {
  const path = join(journal, key);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return sha256Hex(bytes);
}

/** An open job whose plan is sealed, half of whose chunks are committed. */
async function writeJob(name: string): Promise<JobId> {
  const jobId = jobIdFromKey('default', name);
  const uri = fileUri(join(directory, 'in', 'a.csv'));
  const spec = resolveJobSpec({ name, inputs: { uri: [uri] }, output: { uri: `${fileUri(join(directory, 'out', name))}/` } });
  const specHash = specDigest(spec);
  const file = { file: 0, input: 0, uri, etag: 'e', size: chunks, sha256: null, records: null };
  const inputs = await put(inputsKey(jobId, 0), encodeRecord('inputs', { record: 'inputs', version: 1, jobId, segment: 0, first: 0, files: [file] }));
  const stages = [{ name: 'read', kind: 'map' as const }];
  const refs = [{ key: inputsKey(jobId, 0), digest: inputs, first: 0, count: 1 }];
  const head = {
    tenant: 'default',
    name,
    idempotencyKey: name,
    acceptedAt: at,
    resultVersion: 1,
    specDigest: specHash,
    spec,
    stage: 'read',
    stages,
    lookups: [],
  };
  await put(openMarkerKey(jobId, 1), encodeRecord('open', { record: 'open', version: 1, jobId, generation: 1 }));
  await put(jobKey(jobId), encodeRecord('job', { record: 'job', version: 1, jobId, ...head, inputs: refs, inputFiles: 1, inputBytes: chunks }));
  let segments = 0;
  for (let first = 0; first < chunks; first += chunksOfSegment, segments++) await writeSegment(jobId, segments, first, specHash);
  const of = { version: 1, jobId, generation: 1, stage: null, segments } as const;
  await put(segmentKey(jobId, 1, segments), encodeRecord('planEnd', { record: 'planEnd', ...of }));
  await put(sealedKey(jobId, 1), encodeRecord('sealed', { record: 'sealed', ...of, chunks, bytes: chunks, records: chunks, unplannable: [] }));
  return jobId;
}

async function writeSegment(jobId: JobId, segment: number, first: number, specHash: string): Promise<void> {
  const counts = { records: 1, lines: 1, damages: 0, blankLines: 0, commentLines: 0 };
  const listed = Array.from({ length: Math.min(chunksOfSegment, chunks - first) }, (_, index) => {
    const chunk = first + index;
    return { chunk, kind: 'range' as const, file: 0, start: chunk, end: chunk + 1, record: chunk + 1, line: chunk + 1, ...counts };
  });
  const plan = { generation: 1, stage: 'read', segment, specDigest: specHash, pinsDigest: digest, firstChunk: first };
  const bytes = encodeRecord('segment', { record: 'segment', version: 1, jobId, ...plan, files: [], chunks: listed, ended: [] });
  const segmentDigest = await put(segmentKey(jobId, 1, segment), bytes);
  for (const { chunk } of listed.filter(({ chunk }) => chunk % 2 === 0))
    await put(verdictKey(jobId, 'read', chunk, 1), receiptOf(jobId, chunk, specHash, segmentDigest));
}

function receiptOf(jobId: JobId, chunk: number, specHash: string, segmentDigest: string): Uint8Array {
  const fates = { recordsIn: 1, emitted: 1, filtered: 0, deduplicated: 0, rejected: 0 };
  const counts = { ...fates, rowsOut: 1, repaired: 0, bytesIn: 1, blankLines: 0, commentLines: 0, suspectRecords: 0, damagedBytes: 0, damagedLines: 0 };
  const attemptId = `a${chunk.toString().padStart(26, '0')}`;
  const body = { specDigest: specHash, segmentDigest, resultVersion: 1, coreVersion: 'bench', counts, byCode: {}, byColumn: {}, repairs: {} };
  const parts = [{ uri: `file:///out/part-${chunk}`, rows: 1, bytes: 100, sha256: digest }];
  const files = [{ file: 0, key: null, ...fates }];
  const verdict = { record: 'verdict', version: 1, outcome: 'committed', jobId, stage: 'read', chunk, generation: 1, attemptId, ...body, files, parts };
  const text = JSON.stringify({ ...verdict, rejects: [], exchange: null, inputsDigest: null });
  return encodeRecord('verdict', parseRecord('verdict', Buffer.from(text)));
}
