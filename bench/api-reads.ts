/**
 * `npm run bench -- api-reads [--chunks N]`: what the pages of one very large job cost the API. A job of one file with so many chunks is written into a journal
 * and told to a ledger as a run would have left it: nine tenths committed, 2,000 dead, 50 running. Kept for each request: the first answer, the median of
 * twenty later ones, and the processor time of this process a request (client and server together); and the longest pause of the event loop meanwhile.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { startApi } from '../packages/api/src/start-api.ts';
import { createClient } from '../packages/api-contract/src/client.ts';
import { corePath, SteadyCore, startCore } from '../packages/core-client/src/index.ts';
import { type Journal, journalConnection, openJournal } from '../packages/journal/src/index.ts';
import { chunkId, type JobId, jobIdFromKey, resolveJobSpec, segmentRanges, specDigest } from '../packages/protocol/src/index.ts';
import { openQueues, type Queues } from '../packages/queues/src/index.ts';
import { dispatched, opening, quietLog, testJob, testLetter, testTimes } from '../packages/queues/src/testing/fixture.ts';
import { silentLog } from '../packages/service-kit/src/index.ts';
import { startBenchRedis } from './control-plane/bench-redis.ts';
import { keep, median } from './keep.ts';

const { values } = parseArgs({ options: { chunks: { type: 'string', default: '1000000' } } });
const total = Number(values.chunks);
const [chunkBytes, perSegment, dead, running, later] = [8 << 20, 1_000, 2_000, 50, 20];
const at = '2026-11-23T10:00:00.000Z';
const jobId: JobId = jobIdFromKey('default', `api-reads-${total}`);
const digest = 'ab'.repeat(32);
const directory = mkdtempSync(join(tmpdir(), 'millrace-api-reads-'));
for (const name of ['journal', 'scratch']) mkdirSync(join(directory, name));
const journalUri = pathToFileURL(join(directory, 'journal')).href;

function segmentOf(segment: number) {
  const counts = { records: 80_000, lines: 80_000, damages: 0, blankLines: 0, commentLines: 0 };
  const first = segment * perSegment;
  const chunks = Array.from({ length: Math.min(perSegment, total - first) }, (_, index) => {
    const chunk = first + index;
    const [start, record] = [chunk * chunkBytes, chunk * 80_000 + 1];
    return { chunk, kind: 'range' as const, file: 0, start, end: start + chunkBytes, record, line: record, ...counts };
  });
  const columns = { header: ['id', 'name', 'amount'], mapping: [0, 1, 2], extra: [] };
  const file = { file: 0, input: 0, uri: 'file:///in/orders.csv', etag: 'e', size: total * chunkBytes, bom: 0, dataStart: 0, firstLine: 1, ...columns };
  const head = { record: 'segment', version: 1, jobId, generation: 1, stage: 'read', segment, specDigest: digest, pinsDigest: digest } as const;
  return { ...head, firstChunk: first, files: [file], chunks, ended: [] };
}

async function fillJournal(journal: Journal): Promise<void> {
  const spec = resolveJobSpec({ name: 'orders', inputs: 'file:///in/orders.csv', output: { uri: 'file:///out/' } });
  const size = total * chunkBytes;
  const files = [{ file: 0, input: 0, uri: 'file:///in/orders.csv', etag: 'e', size }];
  const inputs = await journal.putInputs({ record: 'inputs', version: 1, jobId, segment: 0, first: 0, files });
  const part = { key: inputs.stored.key, digest: inputs.stored.digest, first: 0, count: 1 };
  const head = { record: 'job', version: 1, jobId, tenant: 'default', name: 'orders', idempotencyKey: null, acceptedAt: at, resultVersion: 1 } as const;
  const sums = { inputs: [part], inputFiles: 1, inputBytes: size };
  await journal.putJob({ ...head, specDigest: specDigest(spec), spec, stage: 'read', stages: [{ name: 'read', kind: 'map' }], lookups: [], ...sums });
}

/** The plan into journal and ledger, then what became of its chunks. */
async function fill(journal: Journal, { ledger }: Queues): Promise<void> {
  await ledger.createJob(testJob('', { jobId, inputBytes: total * chunkBytes }));
  const segments = Math.ceil(total / perSegment);
  for (let segment = 0; segment < segments; segment += 1) {
    const stored = (await journal.putSegment(segmentOf(segment))).stored;
    if (stored.record.record !== 'segment') throw new Error('the segment stands already');
    await ledger.recordSegment(jobId, 1, { ...segmentRanges(stored.record), key: stored.key, digest: stored.digest });
  }
  await journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation: 1, stage: null, segments });
  await ledger.sealPlan(jobId, 1, { segments, chunks: total, bytes: total * chunkBytes });
  const isDead = (chunk: number): boolean => chunk % Math.floor(total / dead) === 7;
  const committed = Array.from({ length: Math.floor(total * 0.9) }, (_, chunk) => chunk).filter((chunk) => !isDead(chunk));
  await ledger.setOutcomes(jobId, 1, 'read', committed);
  for (let chunk = 7; chunk < total; chunk += Math.floor(total / dead)) {
    const id = chunkId(jobId, 'read', chunk);
    await ledger.markDead(id, 1, testLetter(id, { code: chunk % 2 === 0 ? 'INPUT_CHANGED' : 'CORE_CRASH' }));
  }
}

async function run(queues: Queues): Promise<void> {
  for (let started = 0; started < running; ) {
    const found = await queues.ledger.dispatchable(jobId, running);
    for (const chunk of found.slice(0, running - started)) {
      await queues.ledger.openAttempt(opening(await dispatched(queues, chunk)));
      started += 1;
    }
  }
}

const redis = await startBenchRedis();
const queues = await openQueues({ redis: redis.redis.url, times: testTimes, log: quietLog });
await queues.sentinel.begin();
const core = new SteadyCore(() =>
  startCore({
    binary: corePath(),
    hello: {
      hostVersion: 'bench',
      slot: 0,
      memoryBytes: 256 << 20,
      scratchBytes: 0,
      scratchDir: join(directory, 'scratch'),
      readRoots: [],
      writeRoots: [],
      connections: [journalConnection(journalUri)],
      httpAllow: [],
      ports: [],
      sandbox: 'bestEffort',
      logLevel: 'warn',
    },
    log: silentLog,
  }),
);
const journal = openJournal(core);
await fillJournal(journal);
await fill(journal, queues);
await run(queues);

const token = `mrt_${'b'.repeat(43)}`;
const api = await startApi({
  redis: redis.redis.url,
  journal: journalUri,
  core: corePath(),
  host: '127.0.0.1',
  port: 0,
  environment: 'bench',
  requestsPerMinute: 1_000_000,
  devToken: token,
  timeScale: 1,
  readRoots: [],
  writeRoots: [],
  scratch: join(directory, 'scratch'),
  version: '0',
  log: silentLog,
});
const client = createClient({ baseUrl: api.url, token });
const delays = monitorEventLoopDelay({ resolution: 5 });

async function measure(name: string, ask: () => Promise<unknown>) {
  delays.enable();
  const timed = async (): Promise<number> => {
    const startMs = performance.now();
    await ask();
    return performance.now() - startMs;
  };
  const asked = process.cpuUsage();
  const firstMs = await timed();
  const first = process.cpuUsage(asked);
  const firstCpuMs = (first.user + first.system) / 1_000;
  const longestFirstMs = delays.max / 1e6;
  delays.reset();
  const before = process.cpuUsage();
  const times: number[] = [];
  for (let round = 0; round < later; round += 1) times.push(await timed());
  const { user, system } = process.cpuUsage(before);
  delays.disable();
  const figures = { firstMs, firstCpuMs, longestFirstMs, medianMs: median(times), cpuMs: (user + system) / 1_000 / later, longestMs: delays.max / 1e6 };
  const rounded = Object.fromEntries(Object.entries(figures).map(([what, ms]) => [what, Math.round(ms * 10) / 10]));
  console.log(name, rounded);
  delays.reset();
  return [name, rounded] as const;
}

const params = { jobId };
const chunks = (q: string) => () => client.call('GET /jobs/{jobId}/chunks', { params, query: { q } });
const before = process.memoryUsage();
const measured = Object.fromEntries([
  await measure('strip of 2,000 cells', () => client.call('GET /jobs/{jobId}/strip', { params, query: { file: 0, cells: 2_000 } })),
  await measure('strip of 600 cells', () => client.call('GET /jobs/{jobId}/strip', { params, query: { file: 0 } })),
  await measure('chunks', chunks('')),
  await measure('chunks state:dead', chunks('state:dead')),
  await measure('chunks state:dead code:CORE_*', chunks('state:dead code:CORE_*')),
  await measure('chunks offset', chunks(`offset:${total * chunkBytes * 0.95}`)),
  await measure('one chunk', () => client.call('GET /jobs/{jobId}/chunks/{stage}/{index}', { params: { jobId, stage: 'read', index: 7 } })),
  await measure('files', () => client.call('GET /jobs/{jobId}/files', { params })),
  await measure('stages', () => client.call('GET /jobs/{jobId}/stages', { params })),
]);
const memory = process.memoryUsage();
const held = { arrayBuffersBytes: memory.arrayBuffers - before.arrayBuffers, rssBytes: memory.rss };
console.log(held);
keep(`api-reads-${total}`, { chunks: total, loadAverage: loadavg()[0], ...held, measured });
await api.stop();
await queues.close();
await core.stop();
await redis.stop();
rmSync(directory, { recursive: true, force: true });
process.exit(0);
