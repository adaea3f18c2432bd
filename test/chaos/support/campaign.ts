/** Tier 2: jobs keep coming while a nemesis rages over a cluster for a while; then everything is healed, everything must end, and everything is checked. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobHandle } from '@millrace/producer';
import type { Workbench } from '../../e2e/support/workbench.ts';
import { findBreaches, Reader } from './checker.ts';
import { Cluster } from './cluster.ts';
import { readJob, receiptsOf } from './journal-reader.ts';
import { Link } from './link.ts';
import { type Battlefield, type Done, type FaultEvent, type Mix, rage, scheduleOf } from './nemesis.ts';
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
}

export function scheduleFor(campaign: Campaign, seed: number, seconds: number): FaultEvent[] {
  return scheduleOf({ seed, forMs: seconds * 1_000, ...campaign });
}

export async function runCampaign(campaign: Campaign, { bench, data, seed, seconds, schedule }: RunOptions): Promise<Outcome> {
  const name = `${campaign.fault}-${seed}`;
  const cluster = await Cluster.start({ bench, name, data, redis: campaign.redis });
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
    const over = new AbortController();
    const handles = submitAgainAndAgain(cluster, readers, over.signal);
    done = await rage(field, schedule ?? scheduleFor(campaign, seed, seconds));
    over.abort();
    const healedAt = performance.now();
    const submitted = await handles;
    breaches.push(...(await whatDoesNotEnd(submitted, cluster, campaign.healBudgetMs)));
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

async function whatDoesNotEnd(handles: readonly JobHandle[], cluster: Cluster, budgetMs: number): Promise<string[]> {
  const deadline = performance.now() + budgetMs;
  const found: string[] = [];
  for (const { jobId } of handles) {
    const within = Math.max(1, deadline - performance.now());
    await cluster.untilEnded(jobId, 1, within).catch((error: Error) => found.push(`I9 ${error.message}`));
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
