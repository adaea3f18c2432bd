/**
 * Event streams of the API: so many readers of the topic `jobs` while fifty jobs tell of themselves twice a second. What it costs the thread that serves (the
 * processor time of that thread, which a loaded machine does not stretch), how late an event is, and how evenly the server answers meanwhile. Readers run in
 * a thread of their own.
 *
 * npm run bench -- event-streams [STREAMS]
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { corePath } from '@millrace/core-client';
import { fileUri, type JobId, type JobStatus, jobIdFromKey, parseTaskKeys, zeroBalance } from '@millrace/protocol';
import { startTestRedis } from '@millrace/queues/testing';
import { silentLog } from '@millrace/service-kit';
import { startApi } from '../packages/api/src/start-api.ts';
import { createClient } from '../packages/api-contract/src/client.ts';
import { startScheduler } from '../packages/scheduler/src/start-scheduler.ts';
import { keep } from './keep.ts';

const jobs = 50;
const tellEveryMs = 500;
const measureMs = 20_000;
const streamsOfToken = 6;

interface ReaderInput {
  readonly url: string;
  readonly tokens: readonly string[];
  readonly streams: number;
}

interface ReaderResult {
  readonly events: number;
  readonly bytes: number;
  readonly lateMs: readonly number[];
}

const wallMs = (): number => performance.timeOrigin + performance.now();

if (isMainThread) await main();
else await readStreams(workerData as ReaderInput);

async function main(): Promise<void> {
  const streams = Number(process.argv.slice(2).find((argument) => /^\d+$/.test(argument)) ?? 500);
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-streams-'));
  for (const name of ['journal', 'scratch', 'api-scratch']) await mkdir(join(directory, name));
  const redis = await startTestRedis();
  const common = {
    redis: redis.url,
    journal: fileUri(join(directory, 'journal')),
    core: corePath(),
    timeScale: 1,
    readRoots: [],
    writeRoots: [],
    log: silentLog,
  };
  const scheduler = await startScheduler({ ...common, taskKeys: parseTaskKeys(`k1:${'0'.repeat(64)}`), pool: 'default', scratch: join(directory, 'scratch') });
  const devToken = `mrt_${'a'.repeat(43)}`;
  const served = { host: '127.0.0.1', port: 0, environment: 'bench', requestsPerMinute: 1e9, devToken, scratch: join(directory, 'api-scratch'), version: '0' };
  const api = await startApi({ ...common, ...served });
  try {
    const tokens = await makeTokens(api.url, devToken, Math.ceil(streams / streamsOfToken));
    const reader = new Worker(new URL(import.meta.url), { workerData: { url: api.url, tokens, streams } satisfies ReaderInput });
    const message = (): Promise<unknown> => new Promise((resolve, reject) => reader.once('message', resolve).once('error', reject));
    const opening = performance.now();
    await message();
    const openSeconds = (performance.now() - opening) / 1_000;
    const telling = tell(scheduler.control.queues.events);
    await sleep(2_000);
    reader.postMessage('measure');
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const before = process.threadCpuUsage();
    const answers = await answerTimes(api.url, devToken);
    const used = process.threadCpuUsage(before);
    delay.disable();
    const ended = message();
    reader.postMessage('stop');
    const { events, bytes, lateMs } = (await ended) as ReaderResult;
    telling.stop();
    const sorted = lateMs.toSorted((a, b) => a - b);
    const at = (share: number): number => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN);
    const seconds = measureMs / 1_000;
    const result = {
      streams,
      jobsTelling: jobs,
      openSeconds: Math.round(openSeconds * 10) / 10,
      eventsPerStreamAndSecond: Math.round((events / streams / seconds) * 100) / 100,
      megabytesPerSecond: Math.round(bytes / seconds / 1e5) / 10,
      lateMs: { p50: at(0.5), p95: at(0.95), p99: at(0.99) },
      threadSecondsPerSecond: Math.round(((used.user + used.system) / 1e6 / seconds) * 1_000) / 1_000,
      eventLoopDelayMs: { p50: Math.round(delay.percentile(50) / 1e5) / 10, p99: Math.round(delay.percentile(99) / 1e5) / 10 },
      answerMs: answers,
      residentMegabytes: Math.round(process.memoryUsage.rss() / 1e6),
      loadBefore: loadavg()[0],
      note: 'an event waits up to 500 ms for its tick; the thread serves, and tells of the jobs too',
    };
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    keep(`event-streams-${streams}`, result);
    await reader.terminate();
  } finally {
    await api.stop();
    await scheduler.stop();
    await redis.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function makeTokens(url: string, token: string, count: number): Promise<string[]> {
  const client = createClient({ baseUrl: url, token });
  const tokens: string[] = [];
  for (let number = 0; number < count; number++) {
    const body = { name: `reader-${number}`, role: 'viewer', tenants: null, expiresInDays: 1, reason: 'a bench' } as const;
    tokens.push((await client.call('POST /tokens', { body })).secret);
  }
  return tokens;
}

/** How the server answers others while it serves streams: milliseconds of ten requests a second. */
async function answerTimes(url: string, token: string): Promise<{ p50: number; p95: number; most: number }> {
  const client = createClient({ baseUrl: url, token });
  const times: number[] = [];
  for (const endMs = performance.now() + measureMs; performance.now() < endMs; ) {
    const startMs = performance.now();
    await client.call('GET /me', {});
    times.push(performance.now() - startMs);
    await sleep(100);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => Math.round((times[Math.floor(share * (times.length - 1))] ?? 0) * 10) / 10;
  return { p50: at(0.5), p95: at(0.95), most: at(1) };
}

type Events = Awaited<ReturnType<typeof startScheduler>>['control']['queues']['events'];

/** Each job tells how far it is; when it said so stands where a sentence would. */
function tell(events: Events): { stop: () => void } {
  const ids = Array.from({ length: jobs }, (_, number) => jobIdFromKey('default', `bench-${number}`));
  const timer = setInterval(() => {
    for (const jobId of ids) {
      const event = { type: 'progress', at: new Date().toISOString(), status: statusOf(jobId, String(wallMs())) } as const;
      void events.publish('default', jobId, event).catch(() => undefined);
    }
  }, tellEveryMs);
  return { stop: () => clearInterval(timer) };
}

function statusOf(jobId: JobId, waitingFor: string): JobStatus {
  const chunks = { total: 1_000, pending: 500, queued: 100, running: 8, retrying: 0, committed: 392, dead: 0, cancelled: 0 };
  const stage = { name: 'clean', kind: 'map', chunks: { total: 1_000, committed: 392, dead: 0 }, recordsIn: 1e6, rowsOut: 9e5 } as const;
  const rest = {
    sealed: true,
    chunks,
    stages: [stage],
    bytes: { total: 1e9, done: 4e8 },
    balance: zeroBalance,
    bytesPerSecond: 1e7,
    etaSeconds: 60,
    failure: null,
  };
  return { jobId, name: 'orders-import', state: 'running', generation: 1, waitingFor, ...rest };
}

async function readStreams({ url, tokens, streams }: ReaderInput): Promise<void> {
  let [events, bytes, isMeasuring] = [0, 0, false];
  const lateMs: number[] = [];
  const open = async (number: number): Promise<void> => {
    const headers = { authorization: `Bearer ${tokens[Math.floor(number / streamsOfToken)]}` };
    const response = await fetch(`${url}/v1/stream?topics=jobs`, { headers });
    if (!response.ok) throw new Error(`stream ${number}: status ${response.status}`);
    void (async () => {
      let rest = '';
      for await (const some of response.body ?? []) {
        const text = rest + Buffer.from(some).toString();
        const frames = text.split('\n\n');
        rest = frames.pop() ?? '';
        if (!isMeasuring) continue;
        bytes += some.length;
        for (const frame of frames) {
          if (!frame.includes('event: job')) continue;
          events += 1;
          const stamps = [...frame.matchAll(/"waitingFor":"([0-9.]+)"/g)].map(([, stamp]) => Number(stamp));
          lateMs.push(wallMs() - Math.max(...stamps));
        }
      }
    })();
  };
  for (let number = 0; number < streams; number += 20)
    await Promise.all(Array.from({ length: Math.min(20, streams - number) }, (_, index) => open(number + index)));
  parentPort?.on('message', (message: unknown) => {
    isMeasuring = message === 'measure';
    if (message === 'stop') parentPort?.postMessage({ events, bytes, lateMs } satisfies ReaderResult);
  });
  parentPort?.postMessage('open');
}
