/**
 * `npm run bench -- control-plane`: chunks that do nothing through the whole control plane (dispatch, signature, lease, ledger, attempt, mark,
 * acknowledgement), beside jobs of raw BullMQ that do nothing, on the same Redis with the same number of worker processes and slots, in turns. A core
 * that answers at once and stores nothing stands in for cores; what storing a receipt takes is measured apart.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Queue } from 'bullmq';
import { startCore } from '../packages/core-client/src/core-process.ts';
import { corePath } from '../packages/core-client/src/index.ts';
import { journalConnection } from '../packages/journal/src/index.ts';
import { type ChunkInput, connect, type JobStream } from '../packages/producer/src/index.ts';
import { sha256Hex } from '../packages/protocol/src/index.ts';
import { silentLog } from '../packages/service-kit/src/index.ts';
import { root } from '../scripts/setup.js';
import { type BenchRedis, startBenchRedis } from './control-plane/bench-redis.ts';
import { cpuSeconds, ended, ready, System } from './control-plane/system.ts';
import { keep, median } from './keep.ts';

const { values } = parseArgs({
  options: {
    chunks: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '3' },
    hosts: { type: 'string', default: '2' },
    slots: { type: 'string', default: '16' },
    /** A directory for profiles of our processes; figures are then no figures. */
    profiles: { type: 'string' },
  },
});
const [chunks, rounds, hosts, slots] = [values.chunks, values.rounds, values.hosts, values.slots].map(Number) as [number, number, number, number];

interface Figures {
  readonly perSecond: number;
  /** Of Redis, for each job or chunk: calls over the wire, and microseconds that scripts take there. */
  readonly redisCalls: number;
  readonly redisUs: number;
  readonly byCommand: Readonly<Record<string, number>>;
  /** Processor time for each job or chunk, which says on a busy machine more than the clock does. */
  readonly cpuUs: Readonly<Record<string, number>>;
}

/** Commands that come over the wire; what scripts call themselves is in their time. */
const overTheWire = new Set(['evalsha', 'eval', 'hget', 'smembers', 'publish', 'time', 'get', 'mget', 'info', 'bzpopmin', 'srandmember']);

function figures(seconds: number, commands: Awaited<ReturnType<BenchRedis['commands']>>, cpuSeconds: Readonly<Record<string, number>>): Figures {
  const outside = Object.entries(commands).filter(([name]) => overTheWire.has(name));
  const scriptsUs = (commands['evalsha']?.us ?? 0) + (commands['eval']?.us ?? 0);
  return {
    perSecond: chunks / seconds,
    redisCalls: outside.reduce((sum, [, { calls }]) => sum + calls, 0) / chunks,
    redisUs: scriptsUs / chunks,
    byCommand: Object.fromEntries(outside.map(([name, { calls }]) => [name, Math.round((calls / chunks) * 100) / 100])),
    cpuUs: perChunk(cpuSeconds),
  };
}

function perChunk(cpuSeconds: Readonly<Record<string, number>>): Record<string, number> {
  const each = Object.fromEntries(Object.entries(cpuSeconds).map(([name, seconds]) => [name, Math.round((seconds * 1e6) / chunks)]));
  return { ...each, all: Object.values(each).reduce((sum, us) => sum + us, 0) };
}

/** What processes use between two calls, by name. */
function watchCpu(groups: Readonly<Record<string, readonly number[]>>): () => Record<string, number> {
  const now = (): [string, number][] => Object.entries(groups).map(([name, pids]) => [name, pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)]);
  const before = new Map(now());
  return () => Object.fromEntries(now().map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]));
}

/** Jobs a second of raw BullMQ: added in bulks of 500 while the workers work. */
async function theirs(bench: BenchRedis): Promise<Figures> {
  await bench.flush();
  const name = 'raw';
  const workers: ChildProcess[] = Array.from({ length: hosts }, () =>
    fork(join(root, 'bench/control-plane/bullmq-worker.ts'), [bench.socket, name, String(slots)]),
  );
  await Promise.all(workers.map(ready));
  const done = workers.map(() => 0);
  for (const [index, worker] of workers.entries()) {
    worker.on('message', (count: number) => {
      done[index] = count;
    });
  }
  const queue = new Queue(name, { connection: bench.client.duplicate({ maxRetriesPerRequest: null }), prefix: 'millrace:{m}' });
  await bench.commands();
  const cpu = watchCpu({ redis: [bench.redis.pid], workers: workers.map(({ pid = 0 }) => pid), adder: [process.pid] });
  const startedAt = performance.now();
  const opts = { attempts: 1, removeOnComplete: { count: 1_000 } };
  for (let from = 0; from < chunks; from += 500) {
    await queue.addBulk(
      Array.from({ length: Math.min(500, chunks - from) }, (_, at) => ({ name: 'task', data: { s: 'x' }, opts: { ...opts, jobId: `j.${from + at}` } })),
    );
  }
  while (done.reduce((sum, count) => sum + count, 0) < chunks) await sleep(10);
  const seconds = (performance.now() - startedAt) / 1000;
  const [commands, used] = [await bench.commands(), cpu()];
  await queue.close();
  await Promise.all(workers.map((worker) => ended(worker)));
  return figures(seconds, commands, used);
}

function* payloads(): Generator<ChunkInput> {
  for (let index = 0; index < chunks; index++) yield { key: `k${index}`, uri: objectUri, range: [0, 10] };
}
let objectUri = '';

/** Chunks a second of ours: all are planned before the first may run. */
async function ours(bench: BenchRedis): Promise<Figures> {
  await bench.flush();
  const system = new System(bench.redis.url, values.profiles ?? null);
  try {
    writeFileSync(join(system.directory, 'in', 'a.csv'), 'id\n1234567\n');
    objectUri = `file://${join(system.directory, 'in', 'a.csv')}`;
    system.startScheduler();
    await system.startHosts(hosts, slots);
    const producer = await connect({ redis: bench.redis.url });
    const spec = { name: 'noop', inputs: { format: 'csv' as const }, schema: 'text', output: { uri: `file://${join(system.directory, 'out')}/` } };
    const job: JobStream = await producer.open(spec as never);
    await job.pause('all chunks first');
    await job.enqueueChunks(payloads(), { maxAhead: 10_000_000 });
    const [key] = await bench.client.keys('millrace:{m}:*:job:*');
    await bench.commands();
    const cpu = watchCpu({ redis: [bench.redis.pid], ...system.pids });
    const startedAt = performance.now();
    await job.resume();
    let committed = 0;
    while (committed < chunks) {
      await sleep(20);
      committed = Number(await bench.client.hget(key ?? '', 'committed'));
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const [commands, used] = [await bench.commands(), cpu()];
    await producer.close();
    return figures(seconds, commands, used);
  } finally {
    await system.stop();
  }
}

/** Microseconds that a receipt takes to be put and synced, one after another, in a local directory. */
async function receiptMicroseconds(bench: BenchRedis): Promise<number> {
  const system = new System(bench.redis.url);
  const hello = {
    hostVersion: 'bench',
    slot: 0,
    memoryBytes: 256 << 20,
    scratchBytes: 0,
    scratchDir: '/tmp',
    readRoots: [],
    writeRoots: [join(system.directory, 'journal')],
    connections: [journalConnection(system.journalUri)],
    httpAllow: [],
    ports: [],
    sandbox: 'bestEffort',
    logLevel: 'warn',
  } as const;
  const core = await startCore({ binary: corePath(), hello, log: silentLog, timeScale: 1 } as never);
  try {
    const payload = Buffer.from('x'.repeat(900));
    const scope = { connection: 'journal', kind: 'journal', jobKey: null, specDigest: null } as const;
    const startedAt = performance.now();
    const count = 300;
    for (let index = 0; index < count; index++) {
      const key = `jobs/j${'0'.repeat(26)}/verdicts/read/${String(index).padStart(6, '0')}.json`;
      await core.request({ type: 'StorePut', scope, key, mode: 'create', ifMatch: null, sha256: sha256Hex(payload) }, { payload, deadlineMs: 10_000 });
    }
    return ((performance.now() - startedAt) * 1000) / count;
  } finally {
    await core.stop();
    await system.stop();
  }
}

const bench = await startBenchRedis();
const [mine, other]: [Figures[], Figures[]] = [[], []];
for (let round = 0; round < rounds; round++) {
  const b = await theirs(bench);
  const a = await ours(bench);
  mine.push(a);
  other.push(b);
  console.log(`round ${round + 1}: ${a.perSecond.toFixed(0)} chunks/s, BullMQ ${b.perSecond.toFixed(0)} jobs/s, ${(a.perSecond / b.perSecond).toFixed(2)} ×`);
  console.log(
    `  Redis: ${a.redisCalls.toFixed(1)} calls, ${a.redisUs.toFixed(0)} µs of scripts a chunk; BullMQ ${b.redisCalls.toFixed(1)}, ${b.redisUs.toFixed(0)} µs`,
    a.byCommand,
  );
  console.log('  processor time, µs each:', a.cpuUs, 'BullMQ', b.cpuUs, `${((b.cpuUs['all'] ?? 0) / (a.cpuUs['all'] ?? 1)).toFixed(2)} ×`);
}
const receiptUs = await receiptMicroseconds(bench);
await bench.stop();
const cpuShare = median(mine.map(({ cpuUs }, index) => (other[index]?.cpuUs['all'] ?? Number.NaN) / (cpuUs['all'] ?? Number.NaN)));
const share = median(mine.map(({ perSecond }, index) => perSecond / (other[index]?.perSecond ?? Number.NaN)));
if (values.profiles === undefined)
  keep('control-plane', {
    chunks,
    hosts,
    slots,
    loadAverage: loadavg()[0],
    millrace: mine,
    bullmq: other,
    medianShareOfBullmq: share,
    medianShareByProcessorTime: cpuShare,
    receiptPutMicroseconds: receiptUs,
  });
console.log(`median ${share.toFixed(2)} of BullMQ; a receipt's put takes ${receiptUs.toFixed(0)} µs in a local directory`);
process.exit(0);
