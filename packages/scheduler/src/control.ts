/** What every decision of the scheduler is made with. Handed in whole; nothing here acts. */
import type { AuditLog, CoreLike, Journal } from '@millrace/journal';
import type { IdSource, LeaseTimes, TaskKeys, TenantShares } from '@millrace/protocol';
import type { Queues } from '@millrace/queues';
import type { Clock, Log, Random } from '@millrace/service-kit';
import type { SchedulerHealth } from './health.ts';
import type { JobFacts } from './job-facts.ts';
import type { SchedulerMetrics } from './metrics.ts';
import type { PoolSizes } from './scaling-keeper.ts';
import type { Turns } from './turns.ts';

export interface Control {
  readonly queues: Queues;
  readonly journal: Journal;
  readonly audit: AuditLog;
  /** Root of the journal, without a slash at its end. */
  readonly journalUri: string;
  /** For the listing of inputs and the check of SQL; store verbs run beside each other, `Inspect` one at a time. */
  readonly core: CoreLike;
  readonly places: readonly Place[];
  /** Names of the stores that specs may name. */
  readonly connections: readonly string[];
  readonly facts: JobFacts;
  /** Of requests that change one stream. */
  readonly turns: Turns;
  /** What tenants are given of this installation. */
  readonly tenants: TenantShares;
  readonly times: LeaseTimes;
  readonly taskKeys: TaskKeys;
  /** Who leads, in the leader lease. */
  readonly schedulerId: string;
  /** `host[:port]` that inputs and webhooks may lie at. */
  readonly httpAllow: readonly string[];
  /** Directory of secrets that specs name, for webhooks; null: none is set up. */
  readonly secrets: string | null;
  readonly pool: string;
  /** How large the pool may get, as far as that was set up. */
  readonly poolSizes: PoolSizes;
  readonly resultVersion: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly log: Log;
  readonly metrics: SchedulerMetrics;
  readonly health: SchedulerHealth;
}

/** A directory that may be read, and the name of its connection in the core's `Hello`. */
export interface Place {
  readonly connection: string;
  /** Absolute, without a slash at its end. */
  readonly directory: string;
}
