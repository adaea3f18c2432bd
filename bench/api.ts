/**
 * `npm run bench -- api`: requests a second and their times at one API process over real parts, with a journal of some thousand jobs; then the same while 500
 * event streams are open and a job runs. The load comes from this process over kept connections, so that on a small machine both share its processors: the
 * processor time of the API for each request says more there than the clock. Beside it, in the same run, a bare Fastify route that answers the bytes of the
 * same list from memory: what is above it is what knowing who asks, reading and checking cost.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createClient } from '../packages/api-contract/src/client.ts';
import { openDirectory } from '../packages/cli/src/directory.ts';
import { parseFaults } from '../packages/cli/src/generate/faults.ts';
import { writeData } from '../packages/cli/src/generate/write-data.ts';
import { startLocalStack } from '../packages/cli/src/local-stack.ts';
import { newJobId } from '../packages/protocol/src/index.ts';
import { idSource } from '../packages/service-kit/src/index.ts';
import { newToken } from '../test/e2e/support/api-stack.ts';
import { until } from '../test/e2e/support/until.ts';
import { generatedSpec } from '../test/e2e/support/workbench.ts';
import { cpuSeconds } from './control-plane/system.ts';
import { keep } from './keep.ts';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '16' },
    streams: { type: 'string', default: '500' },
    port: { type: 'string', default: '18477' },
  },
});
const [jobs, seconds, connections, streams, port] = [values.jobs, values.seconds, values.connections, values.streams, values.port].map(Number) as [
  number,
  number,
  number,
  number,
  number,
];
const streamsPerToken = 6;

const home = mkdtempSync(join(tmpdir(), 'mr-bench-api-'));
const out = join(home, 'out');
mkdirSync(out);
const token = newToken();
const stack = await startLocalStack({
  directory: out,
  readRoots: [home],
  writeRoots: [out],
  hostSlots: [1],
  logFile: join(home, 'log'),
  api: { port, token, requestsPerMinute: 1_000_000 },
});
const client = createClient({ baseUrl: `http://127.0.0.1:${port}`, token });
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const pid = stack.stack.roles.find(({ role }) => role === 'api')?.child.pid ?? 0;

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the server for one request. */
  readonly cpuUs: number;
  /** What one core would serve. */
  readonly perCore: number;
}

try {
  await until('the API to answer', () => answers(), { within: 20_000 });
  const jobId = await runOneJob('first');
  await copyJobs(jobId);
  const startMs = performance.now();
  await client.call('GET /jobs', {});
  const firstListMs = Math.round(performance.now() - startMs);
  const paths: Readonly<Record<string, string>> = {
    'GET /me': '/v1/me',
    'GET /jobs': '/v1/jobs?limit=50',
    'GET /jobs?q': `/v1/jobs?limit=50&q=${encodeURIComponent('state:completed name:orders* age:<30d')}`,
    'GET /jobs/{jobId}': `/v1/jobs/${jobId}`,
    'GET /status': '/v1/status',
  };
  const idle = await measureAll(paths);
  const bare = await measureBare(await (await fetch(`http://127.0.0.1:${port}/v1/jobs?limit=50`, { headers: { authorization: `Bearer ${token}` } })).text());
  const withStreams = streams === 0 ? null : await measureWithStreams(paths);
  const result = { jobs, connections, secondsEach: seconds, loadAverage: loadavg(), firstListMs, idle, bare, withStreams, residentBytes: residentBytes() };
  console.log(JSON.stringify(result, null, 2));
  keep('api', result);
} finally {
  agent.destroy();
  await stack.stop();
  rmSync(home, { recursive: true, force: true });
}

function answers(): Promise<boolean> {
  return client.call('GET /me', {}).then(
    () => true,
    () => false,
  );
}

async function runOneJob(name: string, records = 1_000): Promise<string> {
  const directory = join(home, name);
  writeData({ kind: 'orders', directory, seed: 3, records, sizeBytes: null, files: 1, faults: parseFaults(undefined) });
  const { jobId } = await client.call('POST /jobs', { body: { spec: generatedSpec(directory, join(out, name), '64KiB') } });
  await until('the job to end', async () => !('state' in (await client.call('GET /jobs/{jobId}/result', { params: { jobId }, query: { wait: '30s' } }))), {
    within: 60_000,
  });
  return jobId;
}

/** The same job under other ids, as a journal has them after some weeks. */
async function copyJobs(from: string): Promise<void> {
  const directory = await openDirectory(out);
  const ids = idSource();
  try {
    const view = await directory.journal.readJob(from as Parameters<typeof directory.journal.readJob>[0]);
    const manifest = view?.manifests.at(-1);
    if (view === null || manifest === undefined) throw new Error('cannot copy the job: it has no manifest');
    for (let count = 0; count < jobs; count++) {
      const jobId = newJobId(ids);
      const acceptedAt = new Date(Date.now() - count * 60_000).toISOString();
      await directory.journal.putJob({ ...view.job.record, jobId, acceptedAt });
      await directory.journal.putManifest({ ...manifest, jobId, acceptedAt });
    }
  } finally {
    await directory.close();
  }
}

async function measureAll(paths: Readonly<Record<string, string>>): Promise<Record<string, Figures>> {
  const found: Record<string, Figures> = {};
  for (const [name, path] of Object.entries(paths)) found[name] = await measure(path);
  return found;
}

/** The same body from a server that does nothing else. */
async function measureBare(body: string): Promise<Figures> {
  const child: ChildProcess = fork(fileURLToPath(new URL('bare-route.ts', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    child.send(body);
    const [bound] = (await once(child, 'message')) as [number];
    return await measure('/v1/jobs', { port: bound, pid: child.pid ?? 0 });
  } finally {
    child.kill();
  }
}

async function measure(path: string, server = { port, pid }): Promise<Figures> {
  const times: number[] = [];
  const untilMs = performance.now() + seconds * 1_000;
  const cpuBefore = cpuSeconds(server.pid);
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < untilMs) {
        const startMs = performance.now();
        await get(path, server.port);
        times.push(performance.now() - startMs);
      }
    }),
  );
  const cpuUs = Math.round(((cpuSeconds(server.pid) - cpuBefore) / times.length) * 1e6);
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round((sorted[Math.floor(sorted.length * share)] ?? Number.NaN) * 100) / 100;
  return { perSecond: Math.round(times.length / seconds), p50Ms: at(0.5), p99Ms: at(0.99), cpuUs, perCore: Math.round(1e6 / cpuUs) };
}

function get(path: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume().once('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`${path} answered ${response.statusCode}`))));
    });
    asked.once('error', reject).end();
  });
}

interface Streams {
  readonly open: number;
  readonly events: number;
  /** From the first stream that hears of a job's end to the last. */
  readonly spreadMs: number;
  readonly figures: Record<string, Figures>;
}

/** Each token may hold so many streams; a job runs while they listen. */
async function measureWithStreams(paths: Readonly<Record<string, string>>): Promise<Streams> {
  const tokens: string[] = [];
  for (let count = 0; count < Math.ceil(streams / streamsPerToken); count++) {
    tokens.push((await client.call('POST /tokens', { body: { name: `bench ${count}`, role: 'viewer', reason: 'bench' } })).secret);
  }
  const heard: { events: number; lastMs: number }[] = [];
  const responses = await Promise.all(Array.from({ length: streams }, (_, index) => openStream(tokens[Math.floor(index / streamsPerToken)] ?? '', heard)));
  try {
    const figures = await measureAll(paths);
    const from = performance.now();
    for (const one of heard) one.lastMs = from;
    await runOneJob('watched', 20_000);
    await until('every stream to hear of the job', () => heard.every(({ lastMs }) => lastMs > from), { within: 30_000 });
    const ends = heard.map(({ lastMs }) => lastMs);
    return {
      open: responses.length,
      events: heard.reduce((sum, { events }) => sum + events, 0),
      spreadMs: Math.round(Math.max(...ends) - Math.min(...ends)),
      figures,
    };
  } finally {
    for (const response of responses) response.destroy();
  }
}

function openStream(of: string, heard: { events: number; lastMs: number }[]): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const path = '/v1/stream?topics=jobs';
    const asked = request(
      { host: '127.0.0.1', port, path, agent: false, headers: { authorization: `Bearer ${of}`, accept: 'text/event-stream' } },
      (response) => {
        if (response.statusCode !== 200) return reject(new Error(`${path} answered ${response.statusCode}`));
        const one = { events: 0, lastMs: 0 };
        heard.push(one);
        response.setEncoding('utf8').on('data', (text: string) => {
          const events = text.match(/^event: job$/gm)?.length ?? 0;
          one.events += events;
          if (events > 0) one.lastMs = performance.now();
        });
        response.on('error', () => undefined);
        resolve(response);
      },
    );
    asked.once('error', reject).end();
  });
}

function residentBytes(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;
}
