/**
 * F84 and F82: three sentinels, a primary, a replica, and one address that follows them, as a Service of a cluster does. F84 kills the primary. F82 cuts it off
 * from the sentinels, the replica and everybody but one worker host, which goes on with it on its side of the split; what that side wrote vanishes.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { until } from '../../e2e/support/until.ts';
import { findBreaches } from '../support/checker.ts';
import { Cluster } from '../support/cluster.ts';
import { readJob, receiptsOf } from '../support/journal-reader.ts';
import { Link } from '../support/link.ts';
import { freePort, RedisServer } from '../support/redis-server.ts';
import { type Experiment, type ExperimentOptions, Findings, type Found, type Skipped } from './experiment.ts';
import { cannotSentinel } from './kernel.ts';

const execute = promisify(execFile);
const withinMs = 240_000;

export const sentinelFailover: Experiment = {
  fault: 'F84',
  what: 'sentinels fail over when the primary is killed',
  run: (options) => underSentinels('failover', options, async ({ cluster }) => cluster.redis.kill()),
};

export const splitBrain: Experiment = {
  fault: 'F82',
  what: 'the primary and one worker host on one side, sentinels, replica and the rest on the other',
  run: (options) =>
    underSentinels('split', options, async ({ toPrimary }) => {
      toPrimary.isDown = true;
      toPrimary.cut();
    }),
};

interface Field {
  readonly cluster: Cluster;
  /** The way of sentinels and replica to the primary. */
  readonly toPrimary: Link;
}

async function underSentinels(name: string, { bench, seed }: ExperimentOptions, strike: (field: Field) => Promise<void>): Promise<Found | Skipped> {
  const skipped = await cannotSentinel();
  if (skipped !== null) return { skipped };
  const findings = new Findings();
  const { directory } = bench.generate('data', { records: 20_000, files: 2, seed });
  const cluster = await Cluster.start({ bench, name, data: directory, timeScale: 0.1 });
  const toPrimary = await Link.start(cluster.redis.port);
  const replica = await RedisServer.start(bench.path(`${name}-replica`), { settings: ['--replicaof', '127.0.0.1', String(toPrimary.port)] });
  const all = await Link.start(cluster.redis.port);
  // The host that stays behind has a way of its own.
  const behind = await Link.start(cluster.redis.port);
  cluster.redisUrl = all.redisUrl;
  const sentinels: Sentinel[] = [];
  try {
    for (let index = 0; index < 3; index += 1) sentinels.push(await Sentinel.start(bench.path(`${name}-sentinel-${index}`), toPrimary.port));
    await until('the sentinels to know one another and the replica', async () => (await Promise.all(sentinels.map((one) => one.isReady()))).every(Boolean));
    await cluster.ready(cluster.scheduler(), cluster.host(), cluster.host({ redisUrl: behind.redisUrl }));
    const { jobId } = await cluster.submit('first', cluster.spec({}, 'first/'), 120_000);
    await until('a receipt', () => receiptsOf(readJob(cluster.out, jobId)).length >= 1, { within: withinMs });
    const struckMs = performance.now();
    await strike({ cluster, toPrimary });
    await until('the replica to be promoted', async () => (await replica.command('ROLE')).startsWith('master'), { within: 120_000, every: 100 });
    findings.figures['failoverMs'] = Math.round(performance.now() - struckMs);
    all.targetPort = replica.port;
    all.cut();
    const second = await cluster.submit('second', cluster.spec({}, 'second/'), 120_000);
    await findings.during('the job across the failover', () => cluster.untilEnded(jobId, 1, withinMs));
    await findings.during('a job behind it', () => cluster.untilEnded(second.jobId, 1, withinMs));
    findings.figures['endedMs'] = Math.round(performance.now() - struckMs);
    // The split heals: the old side comes to the new primary.
    behind.targetPort = replica.port;
    behind.cut();
    const third = await cluster.submit('third', cluster.spec({}, 'third/'), 120_000);
    await findings.during('a job when all is healed', () => cluster.untilEnded(third.jobId, 1, withinMs));
  } catch (error) {
    findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await cluster.stop();
    await Promise.all(sentinels.map((one) => one.stop()));
    await replica.kill();
    await Promise.all([toPrimary.stop(), all.stop(), behind.stop()]);
  }
  // Attempts of the side that is forgotten are known to nobody.
  findings.breaches.push(...(await findBreaches(cluster, { redisForgot: true })));
  return findings;
}

class Sentinel {
  readonly #child: ChildProcess;
  readonly #port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#port = port;
  }

  static async start(directory: string, primaryPort: number): Promise<Sentinel> {
    mkdirSync(directory, { recursive: true });
    const port = await freePort();
    const file = join(directory, 'sentinel.conf');
    const times = ['down-after-milliseconds main 1500', 'failover-timeout main 6000', 'parallel-syncs main 1'].map((line) => `sentinel ${line}`);
    writeFileSync(file, [`port ${port}`, `dir ${directory}`, `sentinel monitor main 127.0.0.1 ${primaryPort} 2`, ...times].join('\n'));
    return new Sentinel(spawn('redis-sentinel', [file], { stdio: 'ignore' }), port);
  }

  async isReady(): Promise<boolean> {
    const { stdout } = await execute('redis-cli', ['-p', String(this.#port), 'SENTINEL', 'MASTER', 'main']).catch(() => ({ stdout: '' }));
    const fields = stdout.split('\n');
    const of = (name: string): number => Number(fields[fields.indexOf(name) + 1]);
    return of('num-other-sentinels') === 2 && of('num-slaves') >= 1;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    await Promise.race([ended, delay(5_000, undefined, { ref: false })]);
  }
}
