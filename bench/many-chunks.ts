/**
 * `npm run bench -- many-chunks`: one job of very many tiny chunks, sent by a producer, on hosts whose cores answer at once. Kept: how long from `open` to the
 * first chunk that ran, beside a BullMQ flow of as many children; what the producer held; memory of Redis and of the scheduler; calls over 20 ms; the time
 * for each tenth of the chunks, which is flat when nothing grows with the job.
 */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { FlowProducer } from 'bullmq';
import { type ChunkInput, connect } from '../packages/producer/src/index.ts';
import { root } from '../scripts/setup.js';
import { startBenchRedis } from './control-plane/bench-redis.ts';
import { ended, ready, System } from './control-plane/system.ts';
import { keep } from './keep.ts';

const { values } = parseArgs({
  options: {
    chunks: { type: 'string', default: '100000' },
    ahead: { type: 'string', default: '1000000000' },
    seconds: { type: 'string', default: '60' },
    flow: { type: 'boolean', default: false },
  },
});
/** `ahead`: chunks that may be accepted and not done; `seconds`: how long it may run on after the last was accepted. */
const [chunks, maxAhead, mostSeconds] = [values.chunks, values.ahead, values.seconds].map(Number) as [number, number, number];
const bench = await startBenchRedis();

async function ours() {
  const system = new System(bench.redis.url);
  try {
    writeFileSync(join(system.directory, 'in', 'a.csv'), 'id\n1234567\n');
    const uri = `file://${join(system.directory, 'in', 'a.csv')}`;
    system.startScheduler();
    await system.startHosts(1, 8);
    const producer = await connect({ redis: bench.redis.url });
    let pulled = 0;
    const tenths: number[] = [];
    const rssOfTenths: number[] = [];
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    function* source(): Generator<ChunkInput> {
      for (; pulled < chunks; pulled++) {
        if (pulled % (chunks / 10) === 0) {
          tenths.push(seconds());
          rssOfTenths.push(system.schedulerRss());
        }
        yield { key: `k${pulled}`, uri, range: [0, 10] };
      }
    }
    let [firstRan, mostHeld, schedulerRss] = [0, 0, 0];
    const job = await producer.open({
      name: 'many',
      inputs: { format: 'csv' },
      schema: 'text',
      output: { uri: `file://${join(system.directory, 'out')}/` },
    } as never);
    const [key = ''] = await bench.client.keys('millrace:{m}:*:job:*');
    let isSending = true;
    const watching = (async () => {
      while (isSending) {
        const [accepted, committed] = (await bench.client.hmget(key, 'streamKeys', 'committed')).map(Number) as [number, number];
        if (committed > 0) firstRan ||= seconds();
        mostHeld = Math.max(mostHeld, pulled - accepted);
        schedulerRss = Math.max(schedulerRss, system.schedulerRss());
        await sleep(20);
      }
    })();
    await job.enqueueChunks(source(), { maxAhead });
    const acceptedSeconds = seconds();
    tenths.push(acceptedSeconds);
    const usage = await bench.usage();
    const until = performance.now() + mostSeconds * 1000;
    while (performance.now() < until && Number(await bench.client.hget(key, 'committed')) < chunks) await sleep(200);
    isSending = false;
    await watching;
    const committed = Number(await bench.client.hget(key, 'committed'));
    const after = await bench.usage();
    await producer.close();
    const secondsOfTenths = tenths.slice(1).map((at, index) => Math.round((at - (tenths[index] ?? 0)) * 100) / 100);
    return {
      firstRanSeconds: firstRan,
      acceptedSeconds,
      secondsOfTenths,
      producerHeldAtMost: mostHeld,
      redisBytes: usage.usedBytes,
      redisPeakBytes: after.peakBytes,
      schedulerRssBytes: schedulerRss,
      schedulerRssBytesOfTenths: rssOfTenths,
      schedulerCpuSeconds: system.schedulerCpuSeconds(),
      seconds: seconds(),
      committed,
      slowCalls: after.slow.length,
      slowest: after.slow.toSorted((a, b) => b.ms - a.ms).slice(0, 10),
    };
  } finally {
    await system.stop();
  }
}

/** Seconds from the call that adds a flow of as many children to the first child that ran, and what Redis held. */
async function flow() {
  await bench.flush();
  const worker = fork(join(root, 'bench/control-plane/bullmq-worker.ts'), [bench.socket, 'children', '8']);
  await ready(worker);
  let first = 0;
  const startedAt = performance.now();
  worker.on('message', (done: number) => {
    if (done > 0) first ||= (performance.now() - startedAt) / 1000;
  });
  const producer = new FlowProducer({ connection: bench.client.duplicate({ maxRetriesPerRequest: null }), prefix: 'millrace:{m}' });
  const children = Array.from({ length: chunks }, (_, index) => ({ name: 'c', queueName: 'children', data: { s: 'x' }, opts: { jobId: `c.${index}` } }));
  await producer.add({ name: 'p', queueName: 'parents', data: {}, children });
  while (first === 0) await sleep(20);
  const usage = await bench.usage();
  await producer.close();
  await ended(worker);
  return {
    firstRanSeconds: first,
    redisPeakBytes: usage.peakBytes,
    slowCalls: usage.slow.length,
    slowest: usage.slow.toSorted((a, b) => b.ms - a.ms).slice(0, 3),
  };
}

const millrace = await ours();
console.log(millrace);
const bullmq = values.flow ? await flow() : null;
if (bullmq !== null) console.log(bullmq);
await bench.stop();
keep(`many-chunks-${chunks}`, { chunks, maxAhead, loadAverage: loadavg()[0], redisIsFirst: bench.isFirst, millrace, ...(bullmq && { bullmq }) });
process.exit(0);
