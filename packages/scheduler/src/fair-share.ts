/**
 * Pure: whose chunk is next. Tenants share by bytes in the ratio of their weights; within a tenant the highest priority goes first, and jobs of one
 * priority share by bytes in the ratio of theirs. Each has a virtual time, the bytes it was given divided by its weight, and whoever has the least is next.
 * Who had nothing to run gets no credit for it: it begins where the others are.
 */

export interface ShareItem {
  /** Stored bytes of the chunk. */
  readonly bytes: number;
}

export interface ShareJob<Item extends ShareItem> {
  readonly jobId: string;
  readonly tenant: string;
  /** 0–9, 9 first among the jobs of its tenant. */
  readonly priority: number;
  readonly weight: number;
  readonly items: readonly Item[];
}

export interface ShareTenant {
  readonly weight: number;
  /** What may be in flight besides what is; `Infinity`: no limit. */
  readonly freeChunks: number;
  readonly freeBytes: number;
}

/** Virtual times of those who share, and the least of those who had work in the last round: whoever comes back begins there or later. */
export interface Times {
  readonly clock: number;
  readonly of: ReadonlyMap<string, number>;
}

/** Remembered between rounds: of tenants, and of the jobs of each. Whoever is not in the list of jobs any more is forgotten. */
export interface Shares {
  readonly tenants: Times;
  readonly jobs: ReadonlyMap<string, Times>;
}

const noTimes: Times = { clock: 0, of: new Map() };
export const noShares: Shares = { tenants: noTimes, jobs: new Map() };

/** What a chunk costs at least: very small ones take a task and an attempt all the same. */
const leastBytes = 64 * 1024;

const unlimited: ShareTenant = { weight: 1, freeChunks: Number.POSITIVE_INFINITY, freeBytes: Number.POSITIVE_INFINITY };

/** At most `free` items in the order in which they are to be dispatched, and the virtual times afterwards. */
export function shareOut<Item extends ShareItem>(
  jobs: readonly ShareJob<Item>[],
  tenants: ReadonlyMap<string, ShareTenant>,
  free: number,
  shares: Shares = noShares,
): { readonly order: Item[]; readonly shares: Shares } {
  const queues = jobs.map((job) => ({ ...job, next: 0 }));
  const all = Map.groupBy(queues, ({ tenant }) => tenant);
  const byTenant = new Map([...all].filter(([, own]) => own.some(({ items }) => items.length > 0)));
  const active = new Set(byTenant.keys());
  const ofTenants = begun([...all.keys()], active, shares.tenants);
  const ofJobs = new Map([...all].map(([name, own]) => [name, begunJobs(own, shares.jobs.get(name) ?? noTimes)]));
  const left = new Map([...byTenant.keys()].map((name) => [name, { ...(tenants.get(name) ?? unlimited) }]));
  const order: Item[] = [];
  while (order.length < free) {
    const tenant = least([...byTenant.keys()], ofTenants);
    if (tenant === null) break;
    const own = byTenant.get(tenant) ?? [];
    const times = ofJobs.get(tenant) ?? new Map<string, number>();
    const room = left.get(tenant);
    const job = nextJob(own, times);
    const item = job?.items[job.next];
    if (job === null || item === undefined || room === undefined || room.freeChunks < 1 || room.freeBytes <= 0) {
      // Nothing more of this tenant in this round: the others go on.
      byTenant.delete(tenant);
      continue;
    }
    job.next += 1;
    order.push(item);
    left.set(tenant, { ...room, freeChunks: room.freeChunks - 1, freeBytes: room.freeBytes - item.bytes });
    const cost = Math.max(leastBytes, item.bytes);
    ofTenants.set(tenant, (ofTenants.get(tenant) ?? 0) + cost / room.weight);
    times.set(job.jobId, (times.get(job.jobId) ?? 0) + cost / job.weight);
  }
  const hadWork = (own: readonly ShareJob<Item>[] | undefined): Set<string> =>
    new Set((own ?? []).flatMap(({ jobId, items }) => (items.length > 0 ? [jobId] : [])));
  const ended = new Map([...ofJobs].map(([name, times]) => [name, endedAt(times, hadWork(all.get(name)), shares.jobs.get(name)?.clock ?? 0)]));
  return { order, shares: { tenants: endedAt(ofTenants, active, shares.tenants.clock), jobs: ended } };
}

/** The times of before; of those who have work none lies before the clock. */
function begun(names: readonly string[], active: ReadonlySet<string>, before: Times): Map<string, number> {
  return new Map(
    names.map((name) => {
      const known = before.of.get(name) ?? before.clock;
      return [name, active.has(name) ? Math.max(known, before.clock) : known];
    }),
  );
}

function begunJobs(jobs: readonly ShareJob<ShareItem>[], before: Times): Map<string, number> {
  const active = new Set(jobs.flatMap(({ jobId, items }) => (items.length > 0 ? [jobId] : [])));
  return begun(
    jobs.map(({ jobId }) => jobId),
    active,
    before,
  );
}

/** The clock goes on with the last of those who had work; without any it stands. */
function endedAt(times: ReadonlyMap<string, number>, active: ReadonlySet<string>, clock: number): Times {
  const own = [...active].map((name) => times.get(name) ?? clock);
  return { clock: own.length === 0 ? clock : Math.max(clock, Math.min(...own)), of: times };
}

function nextJob<Job extends { jobId: string; priority: number; next: number; items: readonly unknown[] }>(
  jobs: readonly Job[],
  times: ReadonlyMap<string, number>,
): Job | null {
  const ready = jobs.filter(({ next, items }) => next < items.length);
  const priority = Math.max(...ready.map((job) => job.priority));
  const first = ready.filter((job) => job.priority === priority);
  const jobId = least(
    first.map((job) => job.jobId),
    times,
  );
  return first.find((job) => job.jobId === jobId) ?? null;
}

/** The name with the least time; of several the first by name, so that two schedulers choose alike. */
function least(names: readonly string[], times: ReadonlyMap<string, number>): string | null {
  let found: string | null = null;
  for (const name of names) {
    const [time, best] = [times.get(name) ?? 0, found === null ? Number.POSITIVE_INFINITY : (times.get(found) ?? 0)];
    if (found === null || time < best || (time === best && name < found)) found = name;
  }
  return found;
}
