/**
 * F56: receipts are on their way for long, and land at any moment of their chunk's further life: while others try it, when it is dead, in the generation
 * behind that, or when all is over. Whether a put counts is decided when it lands, by what stands there then.
 */
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobHandle } from '@millrace/producer';
import { until } from '../../e2e/support/until.ts';
import { driveHome } from '../support/campaign.ts';
import { findBreaches } from '../support/checker.ts';
import { Cluster } from '../support/cluster.ts';
import { SeededRandom } from '../support/random.ts';
import { StoreStub, stubBucket } from '../support/store-stub.ts';
import { type Experiment, Findings } from './experiment.ts';

const withinMs = 180_000;
const moments = ['while others try it', 'when it is dead', 'in the next generation', 'when all is over'] as const;
const isVerdict = (key: string): boolean => key.includes('/verdicts/');

export const lateCommits: Experiment = {
  fault: 'F56',
  what: 'receipts that land late, at random moments',
  async run({ bench, seed, seconds }) {
    const findings = new Findings();
    const random = new SeededRandom(seed);
    const { directory: data } = bench.generate('data', { records: 6_000, files: 2, seed });
    const stub = await StoreStub.start(bench.path('late-store'));
    const remote = {
      out: `s3://${stubBucket}/late/`,
      directory: join(stub.directory, stubBucket, 'late'),
      environment: stub.environment(bench.path('connections.json')),
    };
    const cluster = await Cluster.start({ bench, name: 'late', data, remote });
    const rounds: Record<string, number> = {};
    let longestMs = 0;
    try {
      await cluster.ready(cluster.scheduler(), cluster.scheduler());
      for (const endMs = performance.now() + seconds * 1_000; performance.now() < endMs || Object.keys(rounds).length === 0; ) {
        const moment = random.pick(moments);
        rounds[moment] = (rounds[moment] ?? 0) + 1;
        const healMs = await oneRound(
          { cluster, stub, data, random, findings },
          moment,
          Object.values(rounds).reduce((sum, count) => sum + count),
        );
        longestMs = Math.max(longestMs, healMs);
      }
    } catch (error) {
      findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await cluster.stop();
      await stub.stop();
    }
    await findings.during('I7', () => bench.expectNothingRuns());
    findings.breaches.push(...(await findBreaches(cluster)));
    const landed = (status: number): number => stub.landed.filter((one) => one === status).length;
    Object.assign(findings.figures, rounds, { landedFirst: landed(200), landedAndRefused: landed(412), healMs: longestMs });
    return findings;
  },
};

interface Field {
  readonly cluster: Cluster;
  readonly stub: StoreStub;
  readonly data: string;
  readonly random: SeededRandom;
  readonly findings: Findings;
}

/** A job, some of whose receipts are held when its host dies. Answers how long it took from the last of them to the end of the job; milliseconds. */
async function oneRound({ cluster, stub, data, random, findings }: Field, moment: (typeof moments)[number], number: number): Promise<number> {
  const landing = Promise.withResolvers<void>();
  const held = new Set<string>();
  const most = random.between(1, 2);
  const dies = cluster.host({ slots: most });
  await cluster.ready(dies);
  stub.fault = ({ verb, key }) => {
    if (verb !== 'create' || !isVerdict(key) || held.size >= most || held.has(key)) return null;
    held.add(key);
    return { kind: 'hold', until: landing.promise };
  };
  const [landedBefore, away] = [stub.landed.length, `${data}-away`];
  const land = async (): Promise<void> => {
    landing.resolve();
    await until('the late puts to land', () => stub.landed.length - landedBefore === held.size, { within: withinMs });
  };
  const handle = await cluster.submit(`late-${number}`, cluster.spec({ deadLetters: { maxChunks: 1_000 } }, `j${number}/`), withinMs);
  await until('receipts to be under way', () => held.size === most, { within: withinMs, describe: () => cluster.describe() });
  await dies.kill();
  stub.fault = () => null;
  const host = (): void => void cluster.host({ slots: 2 });
  if (moment === 'while others try it') {
    host();
    await delay(random.between(0, 6_000));
    await land();
    return finish(handle, cluster);
  }
  // What cannot be read dies.
  renameSync(data, away);
  host();
  try {
    await cluster.untilEnded(handle.jobId, 1, withinMs);
  } finally {
    renameSync(away, data);
  }
  const objects = [...held].map((key) => join(stub.directory, stubBucket, key));
  const before = objects.map((path) => readFileSync(path, 'utf8'));
  findings.expect(
    before.every((text) => (JSON.parse(text) as { outcome: string }).outcome === 'dead'),
    `a chunk did not die: ${before.join(' ')}`,
  );
  if (moment === 'when it is dead') await land();
  await handle.redrive('the files are back');
  if (moment === 'in the next generation') {
    await delay(random.between(0, 3_000));
    await land();
  }
  const healMs = await finish(handle, cluster);
  if (moment === 'when all is over') await land();
  const refused = stub.landed.slice(landedBefore);
  findings.expect(
    refused.every((status) => status === 412),
    `late-${number}: a late put was answered ${refused.join(' ')}`,
  );
  findings.expect(
    objects.every((path, index) => readFileSync(path, 'utf8') === before[index]),
    `late-${number}: a verdict changed`,
  );
  return healMs;
}

/** Redriven until it is complete; then its hosts go. */
async function finish(handle: JobHandle, cluster: Cluster): Promise<number> {
  const healedMs = performance.now();
  await driveHome(handle, cluster, healedMs + withinMs);
  const tookMs = Math.round(performance.now() - healedMs);
  for (const role of cluster.living.filter((one) => one.role === 'worker-host')) {
    role.signal('SIGTERM');
    await role.ended;
  }
  return tookMs;
}
