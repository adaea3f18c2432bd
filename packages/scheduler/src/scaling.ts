/**
 * Pure: how many worker hosts a pool wants, from the work that nobody has claimed, what is in hand, and the limits that more hosts could not lift.
 * Work is measured in slot-seconds against a target time for each band of priorities; lengths of queues say nothing about it.
 */
import { type Band, bandOrder, bandTargets, type LimitedBy } from '@millrace/protocol';

/** What a pool is set up with. */
export interface PoolSettings {
  readonly slotsPerPod: number;
  readonly minPods: number;
  readonly maxPods: number;
  /** Most slots that may run at once, for a store that must be spared; null: no such bound. */
  readonly maxSlots: number | null;
}

export interface ScalingJob {
  readonly jobId: string;
  readonly tenant: string;
  readonly band: Band;
  /** Tasks of open stages that nobody has claimed and that may run before a new host could: their number, stored bytes and slot-seconds. */
  readonly chunks: number;
  readonly bytes: number;
  readonly workSeconds: number;
  /** Retries whose time has not come, and chunks that an operation has not let begin. */
  readonly notDue: number;
  readonly isPaused: boolean;
  readonly isCircuitOpen: boolean;
  /** Tasks that the job may have in flight at once; null: no limit of its own. */
  readonly limit: number | null;
}

/** An attempt that runs. */
export interface InHand {
  readonly jobId: string;
  readonly tenant: string;
  /** How long it will probably hold its slot from now. */
  readonly leftSeconds: number;
}

export interface ScalingFacts {
  readonly settings: PoolSettings;
  /** No rollout gives it a part, and no unfinished job needs it. */
  readonly isIdle: boolean;
  readonly jobs: readonly ScalingJob[];
  /** Attempts on hosts that are not draining. */
  readonly inHand: number;
  /** Those attempts that are known to be long; the others end before any target. */
  readonly long: readonly InHand[];
  /** Slots that a tenant may hold; who is not named has no limit. */
  readonly tenantLimits: ReadonlyMap<string, number>;
  /** Chunks of jobs whose result version no host of the pool runs. */
  readonly noHostForVersion: number;
}

export interface BandScaling {
  readonly band: Band;
  readonly chunks: number;
  readonly bytes: number;
  readonly workSeconds: number;
  readonly targetSeconds: number;
  /** Attempts in hand that hold their slot for longer than the target. */
  readonly heldBeyondTarget: number;
  /** What this band and those before it need to be through in its target time. */
  readonly slots: number;
}

export interface Scaling {
  readonly podsWanted: number;
  readonly limitedBy: LimitedBy;
  readonly slotsWanted: number;
  readonly inHand: number;
  readonly bands: readonly BandScaling[];
  readonly notCounted: {
    readonly paused: number;
    readonly tenantLimit: number;
    readonly circuitOpen: number;
    readonly notDue: number;
    readonly noHostForVersion: number;
  };
}

/** Sums of seconds are not exact: a billionth of a slot is none. */
const slotsFor = (seconds: number, targetSeconds: number): number => Math.ceil(seconds / targetSeconds - 1e-9);

export function decideScaling(facts: ScalingFacts): Scaling {
  const { settings, jobs, inHand } = facts;
  const bands = bandOrder.map((band, index) => bandScaling(band, bandOrder.slice(0, index + 1), facts));
  const asked = Math.max(inHand, ...bands.map(({ slots }) => slots));
  const slotsWanted = Math.min(settings.maxSlots ?? Number.POSITIVE_INFINITY, asked);
  const podsAsked = Math.ceil(slotsWanted / settings.slotsPerPod);
  const podsWanted = facts.isIdle ? 0 : Math.max(settings.minPods, Math.min(settings.maxPods, podsAsked));
  const open = jobs.filter((job) => !job.isPaused && !job.isCircuitOpen);
  return {
    podsWanted,
    limitedBy: limitedBy(facts, { asked, slotsWanted, podsAsked, needed: Math.max(...bands.map(({ slots }) => slots)) }),
    slotsWanted,
    inHand,
    bands,
    notCounted: {
      paused: sumOf(jobs, (job) => (job.isPaused ? job.chunks : 0)),
      tenantLimit: beyondLimits(open, facts),
      circuitOpen: sumOf(jobs, (job) => (job.isCircuitOpen && !job.isPaused ? job.chunks : 0)),
      notDue: sumOf(jobs, ({ notDue }) => notDue),
      noHostForVersion: facts.noHostForVersion,
    },
  };
}

/** Bands before this one are served first, so what they need in its target time is part of what it needs. */
function bandScaling(band: Band, upTo: readonly Band[], facts: ScalingFacts): BandScaling {
  const targetSeconds = bandTargets[band];
  const rooms = roomsAt(targetSeconds, facts);
  const workIn = (one: Band): number =>
    sumOf(facts.jobs, (job) => (job.band === one ? Math.min(job.workSeconds, (rooms.get(job.jobId) ?? 0) * targetSeconds) : 0));
  const heldBeyondTarget = facts.long.filter(({ leftSeconds }) => leftSeconds > targetSeconds).length;
  const own = facts.jobs.filter((job) => job.band === band);
  const needed = workIn(band) > 0 ? heldBeyondTarget + slotsFor(sumOf(upTo, workIn), targetSeconds) : 0;
  return {
    band,
    chunks: sumOf(own, ({ chunks }) => chunks),
    bytes: sumOf(own, ({ bytes }) => bytes),
    workSeconds: sumOf(own, ({ workSeconds }) => workSeconds),
    targetSeconds,
    heldBeyondTarget,
    slots: needed,
  };
}

/**
 * Slots that each job may take within a target time: never more than it has chunks, and what its own limit and that of its tenant leave beside the attempts
 * that outlast the target. Those that end sooner give their room back in time.
 */
function roomsAt(targetSeconds: number, { jobs, long, tenantLimits }: ScalingFacts): ReadonlyMap<string, number> {
  const held = long.filter(({ leftSeconds }) => leftSeconds > targetSeconds);
  const leftOfTenant = new Map([...tenantLimits].map(([tenant, limit]) => [tenant, Math.max(0, limit - held.filter((one) => one.tenant === tenant).length)]));
  const rooms = new Map<string, number>();
  for (const job of [...jobs].sort(inOrderOfService)) {
    const heldByJob = held.filter(({ jobId }) => jobId === job.jobId).length;
    const ofTenant = leftOfTenant.get(job.tenant) ?? Number.POSITIVE_INFINITY;
    const own = job.limit === null ? Number.POSITIVE_INFINITY : Math.max(0, job.limit - heldByJob);
    const room = job.isPaused || job.isCircuitOpen ? 0 : Math.min(job.chunks, own, ofTenant);
    rooms.set(job.jobId, room);
    if (leftOfTenant.has(job.tenant)) leftOfTenant.set(job.tenant, ofTenant - room);
  }
  return rooms;
}

/** Of one band by id, so that two schedulers share a tenant's room alike. */
function inOrderOfService(a: ScalingJob, b: ScalingJob): number {
  return bandOrder.indexOf(a.band) - bandOrder.indexOf(b.band) || (a.jobId < b.jobId ? -1 : 1);
}

/** Chunks whose work does not fit under a limit in the target time of their band: more hosts would not help them. */
function beyondLimits(open: readonly ScalingJob[], facts: ScalingFacts): number {
  return sumOf(open, (job) => {
    const targetSeconds = bandTargets[job.band];
    const room = roomsAt(targetSeconds, facts).get(job.jobId) ?? 0;
    if (room >= job.chunks || job.workSeconds === 0) return 0;
    return job.chunks - Math.floor((job.chunks * Math.min(job.workSeconds, room * targetSeconds)) / job.workSeconds + 1e-9);
  });
}

function limitedBy({ settings, isIdle, inHand }: ScalingFacts, of: { asked: number; slotsWanted: number; podsAsked: number; needed: number }): LimitedBy {
  if (isIdle) return 'idle';
  if (of.podsAsked > settings.maxPods) return 'maxPods';
  if (of.podsAsked < settings.minPods) return 'minPods';
  if (of.slotsWanted < of.asked) return 'maxSlots';
  return inHand > of.needed ? 'inHand' : 'target';
}

function sumOf<Item>(items: readonly Item[], pick: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + pick(item), 0);
}
