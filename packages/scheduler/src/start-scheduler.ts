/** Builds a scheduler from its settings: a core for the journal, the queues, and the service over both. For `main.ts` and for those that compose services. */
import { Connections, type CoreProcess, InspectingCore, SteadyCore, startCore } from '@millrace/core-client';
import { AuditLog, type Journal, openJournal, testStore } from '@millrace/journal';
import { leaseTimes, newRequestId, type TaskKeys, type TenantShares } from '@millrace/protocol';
import { openQueues, type Queues } from '@millrace/queues';
import { type Clock, idSource, type Log, type Random, systemClock, systemRandom } from '@millrace/service-kit';
import type { Control } from './control.ts';
import { JobFacts } from './job-facts.ts';
import { connectionOf, placesOf } from './places.ts';
import type { PoolSizes } from './scaling-keeper.ts';
import { schedulerService } from './scheduler.ts';
import { Turns } from './turns.ts';

const coreMemoryBytes = 256 * 1024 * 1024;

export interface SchedulerOptions {
  readonly redis: string;
  /** A file with its password. */
  readonly redisPasswordFile?: string | null;
  /** Of all keys in Redis; the default is right but for tests. */
  readonly prefix?: string;
  /** `file:///absolute/directory`, or a folder of a bucket that one of the connections covers. */
  readonly journal: string;
  /** Path of the core binary. */
  readonly core: string;
  readonly taskKeys: TaskKeys;
  readonly pool: string;
  /** How large the pool may get, for autoscalers: 1 to 50 hosts when not given. */
  readonly poolSizes?: PoolSizes;
  /** What tenants are given; even shares without limits when not given. */
  readonly tenants?: TenantShares;
  readonly timeScale: number;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
  readonly connections?: Connections;
  /** `host[:port]` whose `https://` objects may be read without a connection. */
  readonly httpAllow?: readonly string[];
  readonly scratch: string;
  /** What becomes of a core that cannot be shut in completely. Defaults to `bestEffort`. */
  readonly sandbox?: 'required' | 'bestEffort' | 'off';
  /** Directory of secrets that specs name. */
  readonly secrets?: string | null;
  readonly log: Log;
  readonly schedulerId?: string;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface RunningScheduler {
  /** For those that run in the same process, such as tests. */
  readonly control: Control;
  /** Stops serving, gives the lead back, closes connections and ends the core. */
  stop(): Promise<void>;
}

/** Resolves when requests are served. What was opened is closed again when something fails. */
export async function startScheduler(options: SchedulerOptions): Promise<RunningScheduler> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const times = leaseTimes(options.timeScale);
  const places = placesOf([...options.readRoots, ...options.writeRoots]);
  const steady = new SteadyCore(() => startOwnCore(options, places.map(connectionOf)));
  let queues: Queues | null = null;
  try {
    const { resultVersion } = (await steady.current()).hello;
    const core = new InspectingCore(steady);
    await testStore(core, 'journal');
    queues = await openQueues({
      redis: options.redis,
      passwordFile: options.redisPasswordFile ?? null,
      times,
      log: options.log,
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
    });
    const journal: Journal = openJournal(core);
    const ids = idSource(clock, random);
    const control: Control = {
      queues,
      journal,
      audit: new AuditLog(journal, ids),
      core,
      places,
      connections: (options.connections ?? Connections.none).settings.map(({ name }) => name),
      times,
      clock,
      random,
      journalUri: options.journal.replace(/\/+$/, ''),
      facts: new JobFacts(journal),
      turns: new Turns(),
      tenants: options.tenants ?? new Map(),
      taskKeys: options.taskKeys,
      schedulerId: options.schedulerId ?? `s-${newRequestId(idSource(clock, random)).slice(1)}`,
      pool: options.pool,
      poolSizes: options.poolSizes ?? {},
      httpAllow: options.httpAllow ?? [],
      secrets: options.secrets ?? null,
      resultVersion,
      ids,
      log: options.log,
    };
    const scheduler = schedulerService(control);
    await scheduler.start();
    const opened = queues;
    const stop = async (): Promise<void> => {
      await scheduler.stop();
      await opened.close();
      await steady.stop();
    };
    return { control, stop };
  } catch (error) {
    await queues?.close();
    await steady.stop();
    throw error;
  }
}

function startOwnCore(options: SchedulerOptions, places: ReturnType<typeof connectionOf>[]): Promise<CoreProcess> {
  const connections = (options.connections ?? Connections.none).withJournal(options.journal);
  const { journalDirectory } = connections;
  return startCore({
    binary: options.core,
    hello: {
      hostVersion: 'scheduler',
      slot: 0,
      memoryBytes: coreMemoryBytes,
      scratchBytes: 0,
      scratchDir: options.scratch,
      readRoots: [...options.readRoots, ...options.writeRoots],
      writeRoots: journalDirectory === null ? [] : [journalDirectory],
      connections: [...connections.forHello(), ...places],
      httpAllow: [...(options.httpAllow ?? [])],
      ports: [],
      sandbox: options.sandbox ?? 'bestEffort',
      logLevel: 'warn',
    },
    connections,
    log: options.log,
    // How fast a core starts and answers has nothing to do with how long leases are.
    timeScale: Math.max(1, options.timeScale),
  });
}
