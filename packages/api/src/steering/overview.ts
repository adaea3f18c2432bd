/**
 * The overview: how the installation stands and what asks for a person. Everything is looked at once for all callers, at most every second and a half, then
 * cut to what each may see.
 */
import type { Overview } from '@millrace/api-contract';
import {
  type ErrorGroup,
  errorGroups,
  type GroupOfJob,
  isTerminalJobState,
  type JobId,
  jobStates,
  operationStates,
  type PostedScaling,
  type Schedule,
  staleScalingMs,
  type TriageVersion,
} from '@millrace/protocol';
import { type Queues, readPosted, type SeriesStep, sumOfSteps, waitAt } from '@millrace/queues';
import type { Api } from '../api.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import type { IndexedJob } from '../job-index.ts';
import { allQueues } from '../routes/queues.ts';
import { everybody } from './everybody.ts';
import { type FoundOperation, operationsOf } from './operations-reader.ts';
import { perApi } from './per-api.ts';
import { registryLook } from './registry-look.ts';

const freshMs = 1_500;
const dayMs = 86_400_000;
const defaultNewMs = 3 * dayMs;
const rateWindowMs = 60_000;
const atOnce = 16;
const keptQuiet = 1_000;
const manyLetters = 2_000;
const lookAgainMs = 30_000;

interface TenantPart {
  readonly groups: readonly GroupOfJob[];
  readonly lately: SeriesStep;
}

/** One look at everything. */
interface Snapshot {
  readonly atMs: number;
  readonly rebuilding: boolean;
  readonly jobs: readonly IndexedJob[];
  readonly tenants: ReadonlyMap<string, TenantPart>;
  readonly triages: ReadonlyMap<string, TriageVersion>;
  /** Open dead letters: since when there is one, by job. */
  readonly oldestLetters: ReadonlyMap<JobId, string>;
  readonly operations: readonly FoundOperation[];
  readonly queues: Awaited<ReturnType<typeof allQueues>>;
  readonly scaling: readonly { readonly pool: string; readonly posted: PostedScaling | null }[];
  readonly hosts: Awaited<ReturnType<Queues['workers']['list']>>;
  readonly circuits: readonly { readonly store: string; readonly until: number }[];
  readonly schedules: readonly Schedule[];
}

class OverviewKeeper {
  readonly #api: Api;
  #snapshot: Snapshot | null = null;
  #looking: Promise<Snapshot> | null = null;
  #lookMs = 0;
  /** Jobs whose letters were looked through: the number of letters it was done with, and the oldest. */
  readonly #letters = new Map<JobId, { readonly count: number; readonly oldest: string | null; readonly atMs: number }>();
  readonly #quiet = new Map<string, number>();

  constructor(api: Api) {
    this.#api = api;
  }

  async read(caller: Caller, since: string | undefined): Promise<Overview> {
    const seen = await this.#look();
    const newSince = since ?? new Date(seen.atMs - defaultNewMs).toISOString();
    const overview = overviewOf(seen, caller, newSince);
    return { ...overview, quietSince: this.#quietSince(caller, overview.needsYou.length === 0, seen.atMs) };
  }

  async groups(): Promise<readonly { readonly tenant: string; readonly group: ErrorGroup }[]> {
    const tenants = await this.#tenantParts(this.#api.redis.queues());
    const seen = { triages: await this.#triages(tenants), atMs: this.#api.clock.nowMs() };
    return [...tenants].flatMap(([tenant, part]) => groupsOf(tenant, part, seen).map((group) => ({ tenant, group })));
  }

  #quietSince({ tenants }: Caller, isQuiet: boolean, nowMs: number): string | null {
    const key = tenants === null ? '*' : [...tenants].sort().join(' ');
    if (!isQuiet) this.#quiet.delete(key);
    else if (!this.#quiet.has(key)) this.#quiet.set(key, nowMs);
    const oldest = this.#quiet.keys().next();
    if (this.#quiet.size > keptQuiet && !oldest.done) this.#quiet.delete(oldest.value);
    const since = this.#quiet.get(key);
    return since === undefined ? null : new Date(since).toISOString();
  }

  async #look(): Promise<Snapshot> {
    const known = this.#snapshot;
    const { clock } = this.#api;
    // Of very many error groups a look takes long: at most a tenth of the time is spent on them.
    if (known !== null && clock.nowMs() - known.atMs < Math.max(freshMs, 10 * this.#lookMs)) return known;
    const startMs = clock.monotonicMs();
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = null;
      this.#lookMs = clock.monotonicMs() - startMs;
    });
    this.#snapshot = await this.#looking;
    return this.#snapshot;
  }

  async #lookNow(): Promise<Snapshot> {
    const { clock, index, redis } = this.#api;
    const queues = redis.queues();
    const [jobs, tenants, operations, queueViews, hosts, circuits, isIndexed] = await Promise.all([
      index.all(),
      this.#tenantParts(queues),
      operationsOf(this.#api).all(everybody),
      allQueues(this.#api),
      queues.workers.list(),
      openCircuits(queues),
      queues.ledger.isIndexed(),
    ]);
    const schedules = [...(await registryLook(this.#api).all('schedules')).values()].map(({ body }) => body);
    return {
      atMs: clock.nowMs(),
      rebuilding: !isIndexed,
      jobs,
      tenants,
      triages: await this.#triages(tenants),
      oldestLetters: await this.#oldestLetters(tenants, queues),
      operations,
      queues: queueViews,
      scaling: await scalingOf(queues),
      hosts,
      circuits,
      schedules,
    };
  }

  async #tenantParts(queues: Queues): Promise<ReadonlyMap<string, TenantPart>> {
    const troubled = await queues.ledger.troubledJobs();
    const groups = await inSteps(troubled, async ({ jobId, name, tenant }) => ({
      tenant,
      groups: (await queues.ledger.groups(jobId)).map((group) => ({ ...group, jobId, name })),
    }));
    const names = new Set([...(await queues.series.tenants()), ...troubled.map(({ tenant }) => tenant)]);
    const parts = await inSteps([...names], async (tenant) => {
      const lately = sumOfSteps((await queues.series.read([tenant], rateWindowMs)).steps);
      return [tenant, { groups: groups.filter((part) => part.tenant === tenant).flatMap((part) => part.groups), lately }] as const;
    });
    return new Map(parts);
  }

  /** What people decided about these groups, by `<tenant>.<fingerprint>`. */
  async #triages(tenants: Snapshot['tenants']): Promise<ReadonlyMap<string, TriageVersion>> {
    const wanted = new Set([...tenants].flatMap(([tenant, { groups }]) => groups.map(({ fingerprint }) => `${tenant}.${fingerprint}`)));
    const decided = await registryLook(this.#api).all('triage');
    return new Map([...decided].flatMap(([name, { body, number }]) => (wanted.has(name) ? [[name, { triage: body, version: number }] as const] : [])));
  }

  /** Letters of a job are looked through again only when their number has changed; where there are very many, at most twice a minute. */
  async #oldestLetters(tenants: Snapshot['tenants'], queues: Queues): Promise<ReadonlyMap<JobId, string>> {
    const counts = new Map<JobId, number>();
    for (const { groups } of tenants.values()) for (const { jobId, dead } of groups) counts.set(jobId, (counts.get(jobId) ?? 0) + dead);
    for (const jobId of this.#letters.keys()) if ((counts.get(jobId) ?? 0) === 0) this.#letters.delete(jobId);
    const nowMs = this.#api.clock.monotonicMs();
    const changed = [...counts].filter(([jobId, count]) => {
      const known = this.#letters.get(jobId);
      return count > 0 && known?.count !== count && (known === undefined || count <= manyLetters || nowMs - known.atMs > lookAgainMs);
    });
    await inSteps(changed, async ([jobId, count]) => {
      let oldest: string | null = null;
      for await (const letters of queues.ledger.scanLetters(jobId)) for (const { diedAt } of letters) if (oldest === null || diedAt < oldest) oldest = diedAt;
      this.#letters.set(jobId, { count, oldest, atMs: nowMs });
    });
    return new Map([...this.#letters].flatMap(([jobId, { oldest }]) => (oldest === null ? [] : [[jobId, oldest] as const])));
  }
}

export const overviewKeeper = perApi((api) => new OverviewKeeper(api));

/** Every error group as it stands, with its tenant. */
export function errorGroupsNow(api: Api): Promise<readonly { readonly tenant: string; readonly group: ErrorGroup }[]> {
  return overviewKeeper(api).groups();
}

async function openCircuits(queues: Queues): Promise<Snapshot['circuits']> {
  const { nowMs, entries } = await queues.circuits.load();
  return Object.entries(entries).flatMap(([store, text]) => {
    const { state, openUntil } = JSON.parse(text) as { state: string; openUntil: number };
    return state === 'open' && openUntil > nowMs ? [{ store, until: openUntil }] : [];
  });
}

async function scalingOf(queues: Queues): Promise<Snapshot['scaling']> {
  const pools = await queues.scaling.pools();
  return Promise.all(
    pools.map(async (pool) => {
      const found = await readPosted(queues.scaling, pool);
      return { pool, posted: found === null || found.ageMs > staleScalingMs ? null : found.scaling };
    }),
  );
}

// Cut to a caller

type Bare = Omit<Overview, 'quietSince'>;

function overviewOf(seen: Snapshot, caller: Caller, newSince: string): Bare {
  const reaches = (tenant: string): boolean => mayReach(caller, tenant);
  const own = { ...seen, jobs: seen.jobs.filter(({ record }) => reaches(record.tenant)), schedules: seen.schedules.filter(({ tenant }) => reaches(tenant)) };
  const operations = seen.operations.filter(({ operation }) => reaches(operation.tenant));
  const parts = [...seen.tenants].filter(([tenant]) => reaches(tenant));
  const groups = parts.flatMap(([tenant, part]) => groupsOf(tenant, part, seen));
  const lately = sumOfSteps(parts.map(([, part]) => part.lately));
  const records = lately.counts.emitted + lately.counts.filtered + lately.counts.deduplicated + lately.counts.rejected;
  const openJobs = own.jobs.filter(({ status }) => !isTerminalJobState(status.state));
  const wanted = seen.scaling.map(({ posted }) => posted?.podsWanted ?? null);
  const chunk = (state: 'pending' | 'queued' | 'running' | 'retrying' | 'dead'): number => openJobs.reduce((sum, { status }) => sum + status.chunks[state], 0);
  const letters = deadLettersOf(parts, seen);
  const facts = { groups, letters, operations, newSince, lately };
  return {
    asOf: new Date(seen.atMs).toISOString(),
    rebuilding: seen.rebuilding,
    isFirstRun: own.jobs.length === 0,
    errorGroups: {
      open: groups.filter(({ state }) => state === 'open').length,
      regressed: groups.filter(({ state }) => state === 'regressed').length,
      ignored: groups.filter(({ state }) => state === 'ignored').length,
      new: newGroups(facts).length,
      newSince,
    },
    deadLetters: letters,
    rejects: { open: openRejects(own) },
    oldestWaiting: oldestWaiting(seen),
    hosts: {
      ready: seen.hosts.filter(({ draining }) => !draining).length,
      draining: seen.hosts.filter(({ draining }) => draining).length,
      wanted: wanted.length === 0 || wanted.includes(null) ? null : wanted.reduce<number>((sum, one) => sum + (one ?? 0), 0),
      slots: seen.hosts.reduce((sum, { slots }) => sum + slots, 0),
      busy: seen.hosts.reduce((sum, { busy }) => sum + busy, 0),
    },
    pools: poolsOf(seen),
    jobs: Object.fromEntries(jobStates.map((state) => [state, countedJobs(own).filter(({ status }) => status.state === state).length])) as Overview['jobs'],
    chunks: { pending: chunk('pending'), queued: chunk('queued'), running: chunk('running'), retrying: chunk('retrying'), dead: chunk('dead') },
    operations: Object.fromEntries(operationStates.map((state) => [state, operations.filter(({ operation }) => operation.state === state).length])),
    bytesPerSecond: Math.round((lately.counts.bytesIn * 1_000) / rateWindowMs),
    recordsPerSecond: Math.round((records * 1_000) / rateWindowMs),
    waitP95Ms: waitAt(lately.waits, 0.95),
    needsYou: needs(own, facts),
  };
}

interface Facts {
  readonly groups: readonly ErrorGroup[];
  readonly letters: Overview['deadLetters'];
  readonly operations: readonly FoundOperation[];
  readonly newSince: string;
  readonly lately: SeriesStep;
}

function groupsOf(tenant: string, { groups }: TenantPart, { triages, atMs }: Pick<Snapshot, 'triages' | 'atMs'>): ErrorGroup[] {
  const own = new Map([...triages].flatMap(([name, triage]) => (name.startsWith(`${tenant}.`) ? [[name.slice(tenant.length + 1), triage] as const] : [])));
  return errorGroups(groups, own, atMs);
}

const newGroups = ({ groups, newSince }: Pick<Facts, 'groups' | 'newSince'>): ErrorGroup[] =>
  groups.filter(({ state, firstSeenAt }) => state === 'open' && Date.parse(firstSeenAt) >= Date.parse(newSince));

function deadLettersOf(parts: readonly (readonly [string, TenantPart])[], { oldestLetters }: Snapshot): Overview['deadLetters'] {
  const groups = parts.flatMap(([, part]) => part.groups).filter(({ dead }) => dead > 0);
  const oldest = groups.flatMap(({ jobId }) => oldestLetters.get(jobId) ?? []).sort()[0] ?? null;
  return { open: groups.reduce((sum, { dead }) => sum + dead, 0), oldestAt: oldest };
}

/** Open ones, and those that ended within the last day. */
function countedJobs({ jobs, atMs }: Pick<Snapshot, 'jobs' | 'atMs'>): IndexedJob[] {
  return jobs.filter(({ endedAt }) => endedAt === null || atMs - Date.parse(endedAt) < dayMs);
}

const openRejects = (of: Pick<Snapshot, 'jobs' | 'atMs'>): number => countedJobs(of).reduce((sum, { status }) => sum + status.balance.rejected, 0);

function oldestWaiting({ queues, atMs }: Snapshot): Overview['oldestWaiting'] {
  const [oldest] = queues
    .flatMap(({ name, oldestEnqueuedAt }) => (oldestEnqueuedAt === null ? [] : [{ queue: name, enqueuedAt: oldestEnqueuedAt }]))
    .sort((a, b) => (a.enqueuedAt < b.enqueuedAt ? -1 : 1));
  return oldest === undefined ? null : { ...oldest, seconds: Math.max(0, (atMs - Date.parse(oldest.enqueuedAt)) / 1_000) };
}

function poolsOf({ hosts, scaling }: Snapshot): Overview['pools'] {
  const names = [...new Set([...scaling.map(({ pool }) => pool), ...hosts.map(({ pool }) => pool)])].sort();
  return names.map((pool) => {
    const own = hosts.filter((host) => host.pool === pool);
    const posted = scaling.find((one) => one.pool === pool)?.posted ?? null;
    const draining = own.filter((host) => host.draining).length;
    return { pool, ready: own.length - draining, draining, wanted: posted?.podsWanted ?? null, limitedBy: posted?.limitedBy ?? null };
  });
}

// What asks for a person

type Need = Overview['needsYou'][number];

const some = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

/** The most urgent first: what stands still, then what failed, then what can wait. */
function needs(seen: Snapshot, facts: Facts): Need[] {
  return [
    ...nothingConsumes(seen),
    ...noHost(seen),
    ...pausedOperations(facts),
    ...regressed(facts),
    ...fresh(facts),
    ...deadLetters(facts),
    ...failedJobs(seen),
    ...failedSchedules(seen),
    ...circuits(seen),
    ...pausedQueues(seen),
    ...rejects(seen),
  ];
}

function nothingConsumes({ queues }: Snapshot): Need[] {
  return queues
    .filter(({ waiting, consumers, paused }) => waiting > 0 && consumers === 0 && !paused)
    .map(({ name, waiting, oldestEnqueuedAt }) => ({
      kind: 'nothingConsumes',
      count: waiting,
      message: `nothing consumes ${name}: ${some(waiting, 'task waits', 'tasks wait')}`,
      since: oldestEnqueuedAt,
      id: name,
    }));
}

function noHost({ scaling }: Snapshot): Need[] {
  return scaling.flatMap(({ pool, posted }) => {
    const count = posted?.notCounted.noHostForVersion ?? 0;
    const message = `${some(count, 'chunk is', 'chunks are')} pinned to a result version that no host runs`;
    return count === 0 ? [] : [{ kind: 'noHostForVersion' as const, count, message, since: null, id: pool }];
  });
}

/** By itself: whoever paused one knows of it. */
function pausedOperations({ operations }: Facts): Need[] {
  return operations.flatMap(({ operation }) => {
    const { operationId, state, why, counts, startedAt } = operation;
    if (state !== 'paused' || why === null || why.code === 'PAUSED') return [];
    const message = `an operation paused itself: ${why.message}`;
    return [{ kind: 'operationPaused' as const, count: counts.failedAgain, message, since: startedAt, id: operationId }];
  });
}

function regressed({ groups }: Facts): Need[] {
  const own = groups.filter(({ state }) => state === 'regressed');
  const message = `${some(own.length, 'error group that was resolved is', 'error groups that were resolved are')} back`;
  return own.length === 0 ? [] : [{ kind: 'errorsRegressed', count: own.length, message, since: newest(own.map(({ lastSeenAt }) => lastSeenAt)), id: null }];
}

function fresh(facts: Facts): Need[] {
  const own = newGroups(facts);
  const message = `${some(own.length, 'error group is', 'error groups are')} new`;
  return own.length === 0 ? [] : [{ kind: 'errorsNew', count: own.length, message, since: oldest(own.map(({ firstSeenAt }) => firstSeenAt)), id: null }];
}

function deadLetters({ letters: { open, oldestAt } }: Facts): Need[] {
  return open === 0
    ? []
    : [{ kind: 'deadLetters', count: open, message: `${some(open, 'dead letter waits', 'dead letters wait')} for a decision`, since: oldestAt, id: null }];
}

function failedJobs(seen: Snapshot): Need[] {
  const own = countedJobs(seen).filter(({ status }) => status.state === 'failed');
  const since = oldest(own.flatMap(({ endedAt }) => endedAt ?? []));
  return own.length === 0
    ? []
    : [{ kind: 'jobsFailed', count: own.length, message: `${some(own.length, 'job', 'jobs')} failed within a day`, since, id: null }];
}

function failedSchedules({ schedules }: Snapshot): Need[] {
  return schedules.flatMap(({ name, runs }) => {
    const [last] = runs;
    if (last === undefined || (last.outcome !== 'failed' && last.outcome !== 'missed')) return [];
    const message = last.outcome === 'missed' ? `schedule ${name} missed its last fire` : `schedule ${name}: ${last.code}: ${last.message}`;
    return [{ kind: 'scheduleFailed' as const, count: 1, message, since: last.at, id: name }];
  });
}

function circuits({ circuits: open }: Snapshot): Need[] {
  return open.map(({ store }) => ({ kind: 'circuitOpen', count: 1, message: `${store} is being spared: it fails or throttles`, since: null, id: store }));
}

function pausedQueues({ queues }: Snapshot): Need[] {
  return queues
    .filter(({ paused }) => paused)
    .map(({ name, waiting, setting }) => {
      const why = setting === null || setting.reason === '' ? '' : `: ${setting.reason}`;
      return { kind: 'queuePaused', count: waiting, message: `queue ${name} is paused${why}`, since: setting?.at ?? null, id: name };
    });
}

function rejects(seen: Snapshot): Need[] {
  const open = openRejects(seen);
  const message = `${some(open, 'reject of the last day is', 'rejects of the last day are')} neither replayed nor waived`;
  return open === 0 ? [] : [{ kind: 'rejectsOpen', count: open, message, since: null, id: null }];
}

const oldest = (instants: readonly string[]): string | null => [...instants].sort()[0] ?? null;
const newest = (instants: readonly string[]): string | null => [...instants].sort().at(-1) ?? null;

async function inSteps<Item, Result>(items: readonly Item[], act: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += atOnce) results.push(...(await Promise.all(items.slice(at, at + atOnce).map(act))));
  return results;
}
