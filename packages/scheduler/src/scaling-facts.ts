/** What the scaling rule is asked with, from counters of the ledger, the hosts that are alive and what was measured. Pure. */
import { bandOf, shareOfTenant, type TenantShares } from '@millrace/protocol';
import type { LedgerJobView, WorkerView } from '@millrace/queues';
import { chunkBytesOf, type JobPace, overheadSeconds } from './job-pace.ts';
import type { InHand, PoolSettings, ScalingFacts, ScalingJob } from './scaling.ts';

/** Planning reads a file once, from end to end. */
const planBytesPerSecond = 500_000_000;
const leastTaskSeconds = 0.5;

export interface Observed {
  readonly settings: PoolSettings;
  readonly pool: string;
  readonly resultVersion: number;
  /** Open jobs. */
  readonly jobs: readonly LedgerJobView[];
  readonly hosts: readonly WorkerView[];
  readonly pace: JobPace;
  readonly tenants: TenantShares;
  /** Retries of a job whose time comes before a new host could be there. */
  readonly dueRetries: ReadonlyMap<string, number>;
  /** Jobs that a store keeps waiting. */
  readonly openCircuits: ReadonlySet<string>;
  /** Nothing is taken from the chunk queue of the pool. */
  readonly isQueuePaused: boolean;
  readonly long: readonly InHand[];
}

export function scalingFacts(seen: Observed): ScalingFacts {
  const { settings, jobs, hosts } = seen;
  const own = jobs.filter((job) => job.resultVersion === seen.resultVersion);
  const scalingJobs = own.map((job) => jobFacts(job, seen));
  return {
    settings,
    isIdle: false,
    jobs: scalingJobs,
    inHand: inHandOf(jobs, hosts, seen),
    long: seen.long,
    tenantLimits: tenantLimits(own, seen.tenants),
    noHostForVersion: noHost(jobs, hosts, seen),
  };
}

/** Hosts of the pool that run its result version. */
export function hostsOf(hosts: readonly WorkerView[], { pool, resultVersion }: Pick<Observed, 'pool' | 'resultVersion'>): WorkerView[] {
  return hosts.filter((host) => host.pool === pool && host.resultVersion === resultVersion);
}

function jobFacts(job: LedgerJobView, seen: Observed): ScalingJob {
  const { chunks, release } = job;
  const dueRetries = Math.min(chunks.retrying, seen.dueRetries.get(job.jobId) ?? 0);
  const isRunning = job.state === 'running' && job.end === null && !job.cancelled;
  const waiting = isRunning ? chunks.pending : 0;
  const released = release === null ? waiting : Math.min(waiting, Math.max(0, release.limit - release.started));
  const ready = released + (isRunning ? chunks.queued + dueRetries : 0);
  const bytes = ready * chunkBytesOf(job);
  const unplanned = job.sealed ? 0 : Math.max(0, job.inputBytes - job.bytesPlanned);
  const taskSeconds = job.openWork * Math.max(leastTaskSeconds, unplanned / planBytesPerSecond);
  return {
    jobId: job.jobId,
    tenant: job.tenant,
    band: bandOf(job.priority),
    chunks: ready + job.openWork,
    bytes: Math.round(bytes),
    workSeconds: ready * overheadSeconds + bytes / seen.pace.bytesPerSecond(job) + taskSeconds,
    notDue: waiting - released + (isRunning ? chunks.retrying - dueRetries : 0),
    isPaused: job.paused || seen.isQueuePaused,
    isCircuitOpen: seen.openCircuits.has(job.jobId),
    limit: job.maxConcurrency,
  };
}

/** Hosts tell what they have in hand every few seconds, the ledger counts chunks at once: whichever is more. */
function inHandOf(jobs: readonly LedgerJobView[], hosts: readonly WorkerView[], seen: Observed): number {
  const own = hostsOf(hosts, seen);
  const told = own.filter(({ draining }) => !draining).reduce((sum, { busy }) => sum + busy, 0);
  const onDraining = own.filter(({ draining }) => draining).reduce((sum, { busy }) => sum + busy, 0);
  const running = jobs.filter(({ resultVersion }) => resultVersion === seen.resultVersion).reduce((sum, { chunks }) => sum + chunks.running, 0);
  return Math.max(told, running - onDraining, 0);
}

/** A limit in bytes as slots: so many chunks of middling size fit, and one more while a byte is free. */
function tenantLimits(jobs: readonly LedgerJobView[], tenants: TenantShares): Map<string, number> {
  const limits = new Map<string, number>();
  for (const [tenant, own] of Map.groupBy(jobs, (job) => job.tenant)) {
    const { maxChunks, maxBytes } = shareOfTenant(tenants, tenant);
    const total = own.reduce((sum, { chunks }) => sum + chunks.total, 0);
    const middling = total === 0 ? 0 : own.reduce((sum, { bytesPlanned }) => sum + bytesPlanned, 0) / total;
    const byBytes = maxBytes === null || middling === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil(maxBytes / middling));
    const limit = Math.min(maxChunks ?? Number.POSITIVE_INFINITY, byBytes);
    if (Number.isFinite(limit)) limits.set(tenant, limit);
  }
  return limits;
}

/** Unclaimed chunks that neither hosts of this pool nor any host that is alive can run. */
function noHost(jobs: readonly LedgerJobView[], hosts: readonly WorkerView[], seen: Observed): number {
  return jobs
    .filter((job) => job.resultVersion !== seen.resultVersion && !hosts.some((host) => host.pool === job.pool && host.resultVersion === job.resultVersion))
    .reduce((sum, { chunks }) => sum + chunks.pending + chunks.queued + chunks.retrying, 0);
}
