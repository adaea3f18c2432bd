/** What every attempt on this host needs. Plain data and handed-in things; nothing here acts. */
import type { CorePool } from '@millrace/core-client';
import type { CoreLike, Journal } from '@millrace/journal';
import type { AttemptId, IdSource, LeaseTimes, TaskKeys } from '@millrace/protocol';
import type { Queues } from '@millrace/queues';
import type { Clock, Log } from '@millrace/service-kit';
import type { CrashStreak } from './crash-streak.ts';
import type { KeptRecords } from './kept-records.ts';
import type { LeaseWatch } from './lease-keeper.ts';
import type { HostMetrics } from './metrics.ts';
import type { RefusedTasks } from './refused-tasks.ts';

export interface HostIdentity {
  readonly worker: string;
  readonly pod: string | null;
  readonly node: string;
}

export interface Host {
  readonly queues: Queues;
  readonly journal: Journal;
  readonly records: KeptRecords;
  /** Store verbs of a core that is always there. */
  readonly store: CoreLike;
  readonly cores: CorePool;
  readonly times: LeaseTimes;
  readonly taskKeys: TaskKeys;
  readonly identity: HostIdentity;
  readonly pool: string;
  /** Directory of secrets; null: this installation holds none. */
  readonly secrets: string | null;
  readonly coreVersion: string;
  readonly resultVersion: number;
  readonly ids: IdSource;
  readonly log: Log;
  /** Aborted when the host drains: attempts are released. */
  readonly drain: AbortSignal;
  readonly crashes: CrashStreak;
  /** Tasks whose signature did not hold. */
  readonly refused: RefusedTasks;
  readonly clock: Clock;
  readonly metrics: HostMetrics;
  readonly leases: LeaseWatch;
}

/** The other hosts of the pool that take tasks of this result version. */
export async function othersOf({ queues, identity, pool, resultVersion }: Pick<Host, 'queues' | 'identity' | 'pool' | 'resultVersion'>): Promise<string[]> {
  const views = await queues.workers.list();
  const others = views.filter((view) => view.worker !== identity.worker && view.pool === pool && view.resultVersion === resultVersion && !view.draining);
  return others.map(({ worker }) => worker);
}

/** An attempt that has been opened, whatever kind of task it works on. */
export interface OpenedAttempt<Orders> {
  readonly attemptId: AttemptId;
  readonly startedAt: string;
  /** On the monotonic clock, for how long it took. */
  readonly startedMs: number;
  readonly orders: Orders;
}
