/** Tier 2: jobs keep coming while a nemesis rages over a cluster for a while; then everything is healed, everything must end, and everything is checked. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobHandle } from '@millrace/producer';
import type { Workbench } from '../../e2e/support/workbench.ts';
import { findBreaches, Reader } from './checker.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';
import { manifestOf, readJob, receiptsOf } from './journal-reader.ts';
import { Link } from './link.ts';
import { type Battlefield, type Done, type FaultEvent, type Mix, rage, scheduleOf } from './nemesis.ts';
import { SeededRandom } from './random.ts';
import type { RedisOptions } from './redis-server.ts';

export interface Campaign {
  readonly fault: string;
  readonly what: string;
  readonly mix: Mix;
  readonly everyMs: number;
  readonly lastMs: readonly [least: number, most: number];
  readonly redis: RedisOptions;
  readonly hosts: number;
  readonly schedulers: number;
  /** Hosts die while Redis forgets: some attempts are known to nobody, as the design says. */
  readonly redisForgets: boolean;
  /** From the end of the faults to the end of the last job; milliseconds. */
  readonly healBudgetMs: number;
  /** Operators cancel and redrive meanwhile; in the end each job is redriven until it is complete. */
  readonly commands?: boolean;
}

const usual = {
  everyMs: 1_500,
  lastMs: [200, 2_500],
  redis: { appendOnly: true },
  hosts: 2,
  schedulers: 2,
  redisForgets: false,
  healBudgetMs: 45_000,
} as const;

export const campaigns: readonly Campaign[] = [
  {
    ...usual,
    fault: 'F50',
    what: 'mixed nemesis',
    mix: {
      'kill-host': 3,
      'kill-scheduler': 2,
      'kill-core': 2,
      'stop-host': 2,
      'stop-scheduler': 2,
      'stop-core': 1,
      'drain-host': 1,
      'kill-redis': 1,
      'freeze-redis': 1,
      'cut-links': 2,
      'half-open-links': 1,
      'delay-links': 1,
      'swallow-answers': 2,
    },
    redisForgets: true,
  },
  {
    ...usual,
    fault: 'F51',
    what: '50 host kills a minute, scale 0 to N',
    mix: { 'kill-host': 4, 'add-host': 1, 'drain-host': 1 },
    everyMs: 1_200,
    hosts: 2,
    schedulers: 1,
  },
  {
    ...usual,
    fault: 'F52',
    what: 'Redis killed under load, and lost with its data',
    mix: { 'kill-redis': 2, 'lose-redis': 1, 'flush-redis': 1 },
    everyMs: 4_000,
    redisForgets: true,
  },
  { ...usual, fault: 'F53', what: 'Redis frozen for 0.5, 1.5 and 5 leases', mix: { 'freeze-redis': 1 }, everyMs: 6_000, lastMs: [1_000, 10_500] },
  { ...usual, fault: 'F54', what: 'Redis full, then freed', mix: { 'fill-redis': 1 }, everyMs: 5_000, lastMs: [1_500, 5_000] },
  { ...usual, fault: 'F55', what: 'Redis set back to an older copy', mix: { 'set-back-redis': 2, 'kill-host': 1 }, everyMs: 5_000, redisForgets: true },
  {
    ...usual,
    fault: 'F64',
    what: 'slow, sliced, cut links and lost answers',
    mix: { 'delay-links': 2, 'slice-links': 2, 'cut-links': 2, 'half-open-links': 2, 'swallow-answers': 3 },
    everyMs: 1_500,
  },
  {
    ...usual,
    fault: 'F65',
    what: 'cancels and redrives, several at once, while processes die',
    mix: { 'kill-host': 1, 'stop-scheduler': 1, 'kill-scheduler': 1 },
    everyMs: 4_000,
    commands: true,
    healBudgetMs: 90_000,
  },
];

export interface Outcome {
  readonly fault: string;
  readonly seed: number;
  readonly seconds: number;
  readonly jobs: number;
  readonly chunks: number;
  readonly records: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly healMs: number;
  readonly peakMiB: Readonly<Record<string, number>>;
  readonly breaches: readonly string[];
  readonly logFile: string;
}

export interface RunOptions {
  readonly bench: Workbench;
  readonly data: string;
  readonly seed: number;
  readonly seconds: number;
  /** Replaces the one that the seed gives. */
  readonly schedule?: readonly FaultEvent[];
  /** What the installation has besides. */
  readonly cluster?: Partial<ClusterOptions>;
  /** Runs before the first fault, with everybody there. */
  readonly first?: (cluster: Cluster) => Promise<void>;
}

export function scheduleFor(campaign: Campaign, seed: number, seconds: number): FaultEvent[] {
  return scheduleOf({ seed, forMs: seconds * 1_000, ...campaign });
}

export async function runCampaign(campaign: Campaign, { bench, data, seed, seconds, schedule, cluster: also, first }: RunOptions): Promise<Outcome> {
  const name = `${campaign.fault}-${seed}`;
  const cluster = await Cluster.start({ bench, name, data, redis: campaign.redis, ...also });
  const links = [await Link.start(cluster.redis.port), await Link.start(cluster.redis.port)] as const;
  const field: Battlefield = {
    cluster,
    links,
    snapshot: bench.path(`${name}-snapshot`),
    hosts: campaign.hosts,
    schedulers: campaign.schedulers,
    startHost: () => cluster.host({ redisUrl: links[0].redisUrl, drainMs: 500 }),
    startScheduler: () => cluster.scheduler({ redisUrl: links[1].redisUrl }),
  };
  const readers: Reader[] = [];
  const peaks = new Peaks(cluster);
  const breaches: string[] = [];
  let done: Done[] = [];
  let healMs = 0;
  try {
    await cluster.ready(
      ...Array.from({ length: campaign.schedulers }, () => field.startScheduler()),
      ...Array.from({ length: campaign.hosts }, () => field.startHost()),
    );
    await first?.(cluster);
    const over = new AbortController();
    const handles = submitAgainAndAgain(cluster, readers, over.signal);
    // A refusal while the faults go on is told when they are over, and ends no other campaign.
    handles.catch(() => {});
    const operators = campaign.commands === true ? commandAtRandom(cluster, new SeededRandom(seed), over.signal) : Promise.resolve();
    done = await rage(field, schedule ?? scheduleFor(campaign, seed, seconds));
    over.abort();
    const healedAt = performance.now();
    const submitted = await handles;
    await operators;
    breaches.push(...(await whatDoesNotEnd(submitted, cluster, campaign)));
    healMs = Math.round(performance.now() - healedAt);
  } catch (error) {
    breaches.push(`the campaign broke off: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    peaks.stop();
    await cluster.stop();
    await Promise.all(links.map((link) => link.stop()));
  }
  await bench.expectNothingRuns().catch((error: Error) => breaches.push(`I7 ${error.message}`));
  breaches.push(...readers.flatMap((reader) => reader.stop()), ...(await findBreaches(cluster, { redisForgot: campaign.redisForgets })));
  return {
    ...countsOf(cluster),
    fault: campaign.fault,
    seed,
    seconds,
    faults: tally(done.map(({ fault }) => fault)),
    healMs,
    peakMiB: peaks.found,
    breaches,
    logFile: cluster.logFile,
  };
}

/** A job every while, each with an output folder of its own; one whose answer is unknown is asked for until it is known. */
async function submitAgainAndAgain(cluster: Cluster, readers: Reader[], over: AbortSignal): Promise<JobHandle[]> {
  const handles: JobHandle[] = [];
  for (let number = 0; number === 0 || !over.aborted; number += 1) {
    const below = `j${number}/`;
    readers.push(new Reader(join(cluster.out, below), 100));
    handles.push(await cluster.submit(`job-${number}`, cluster.spec({}, below), 120_000));
    await delay(2_500, undefined, { signal: over }).catch(() => {});
  }
  return handles;
}

/** Several at once, of jobs that are somewhere in their lives. Refusals are answers. */
async function commandAtRandom(cluster: Cluster, random: SeededRandom, over: AbortSignal): Promise<void> {
  const producer = await cluster.producer();
  while (!over.aborted) {
    await delay(random.between(200, 1_500), undefined, { signal: over }).catch(() => {});
    const known = [...new Set(cluster.client.entries.filter(({ outcome }) => outcome === 'ok').map(({ jobId }) => jobId))];
    if (known.length === 0) continue;
    const handle = producer.job(random.pick(known));
    const asked = Array.from({ length: random.between(1, 3) }, () => (random.next() < 0.5 ? handle.cancel('at random') : handle.redrive('at random')));
    await Promise.allSettled(asked);
  }
}

/** Redrives a job, generation by generation, until one has completed. */
export async function driveHome(handle: JobHandle, cluster: Cluster, deadline: number): Promise<void> {
  for (let generation = 1; ; generation += 1) {
    await cluster.untilEnded(handle.jobId, generation, Math.max(1, deadline - performance.now()));
    const isOpened = (): boolean => readJob(cluster.out, handle.jobId).commands.some(({ opens }) => opens === generation + 1);
    if (manifestOf(cluster.out, handle.jobId, generation)?.state === 'completed' && !isOpened()) return;
    while (!isOpened()) {
      await handle.redrive('to the end').catch(() => null);
      if (performance.now() > deadline) throw new Error(`generation ${generation + 1} of ${handle.jobId} is not opened`);
    }
  }
}

async function whatDoesNotEnd(handles: readonly JobHandle[], cluster: Cluster, { healBudgetMs, commands }: Campaign): Promise<string[]> {
  const deadline = performance.now() + healBudgetMs;
  const found: string[] = [];
  for (const handle of handles) {
    const ending = commands === true ? driveHome(handle, cluster, deadline) : cluster.untilEnded(handle.jobId, 1, Math.max(1, deadline - performance.now()));
    await ending.catch((error: Error) => found.push(`I9 ${error.message}`));
  }
  return found;
}

function countsOf(cluster: Cluster): Pick<Outcome, 'jobs' | 'chunks' | 'records'> {
  const jobs = [...new Set(cluster.client.entries.map(({ jobId }) => jobId))].map((jobId) => readJob(cluster.out, jobId));
  const records = tally(jobs.flatMap(({ failures }) => failures.map(({ outcome, code }) => `${outcome} ${code}`)));
  return { jobs: jobs.length, chunks: jobs.reduce((sum, job) => sum + receiptsOf(job).length, 0), records };
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** I8: the most memory that a process of each role had resident. */
class Peaks {
  readonly found: Record<string, number> = {};
  readonly #timer: NodeJS.Timeout;

  constructor(cluster: Cluster) {
    this.#timer = setInterval(() => {
      for (const role of cluster.living) this.#note(role.role, role.pid);
      this.#note('redis', cluster.redis.pid);
    }, 1_000);
  }

  #note(name: string, pid: number): void {
    try {
      const kib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
      this.found[name] = Math.max(this.found[name] ?? 0, Math.round(kib / 1024));
    } catch {
      // It is gone.
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
