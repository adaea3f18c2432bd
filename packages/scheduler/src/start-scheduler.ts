/** Builds a scheduler from its settings: a core for the journal, the queues, and the service over both. For `main.ts` and for those that compose services. */
import { Connections, type CoreProcess, type CoreWatch, InspectingCore, SteadyCore, startCore, watchStoreCalls } from '@millrace/core-client';
import { AuditLog, type Journal, openJournal, testStore } from '@millrace/journal';
import { leaseTimes, newRequestId, type TaskKeys, type TenantShares } from '@millrace/protocol';
import { openQueues, type Queues } from '@millrace/queues';
import { type Clock, Health, idSource, type Log, processMetrics, type Random, systemClock, systemRandom } from '@millrace/service-kit';
import type { Control } from './control.ts';
import { SchedulerHealth } from './health.ts';
import { JobFacts } from './job-facts.ts';
import { type SchedulerMetrics, schedulerFolding, schedulerMetrics } from './metrics.ts';
import { connectionOf, placesOf } from './places.ts';
import type { PoolSizes } from './scaling-keeper.ts';
import { schedulerService } from './scheduler.ts';
import { Turns } from './turns.ts';

const schedulerVersion = '0.1.0';
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
  /** What it counts and how it is; of its own, which nobody sees, when not given. */
  readonly metrics?: SchedulerMetrics;
  readonly health?: Health;
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
  const metrics = options.metrics ?? schedulerMetrics(processMetrics(schedulerFolding), options.pool);
  let core: CoreProcess | null = null;
  const steady = new SteadyCore(async () => {
    core = await startOwnCore(options, places.map(connectionOf), watchStoreCalls(metrics.recordCall));
    return core;
  });
  const health = new SchedulerHealth(options.health ?? new Health(clock), times, () => core?.isAlive === true, clock);
  let queues: Queues | null = null;
  try {
    const { resultVersion, coreVersion } = (await steady.current()).hello;
    health.core.passed(`${coreVersion}, result version ${resultVersion}`);
    metrics.recordBuild({ service: 'scheduler', version: schedulerVersion, coreVersion, resultVersion });
    const inspecting = new InspectingCore(steady);
    await testStore(inspecting, 'journal');
    const journal: Journal = openJournal(inspecting);
    await journal.putWitness();
    health.store.passed('keeps its promises');
    const onCommand = (seconds: number, worked: boolean): void => {
      metrics.recordCall('redis', 'command', worked ? 'ok' : 'failed', seconds);
      if (worked) health.redisCalls.worked();
    };
    const { redis, redisPasswordFile: passwordFile = null, log, prefix } = options;
    queues = await openQueues({ redis, passwordFile, times, log, onCommand, ...(prefix === undefined ? {} : { prefix }) });
    health.redis.passed('evicts nothing');
    const ids = idSource(clock, random);
    const control: Control = {
      queues,
      journal,
      audit: new AuditLog(journal, ids, metrics.recordAuditFailure),
      core: inspecting,
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
      log,
      metrics,
      health,
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

function startOwnCore(options: SchedulerOptions, places: ReturnType<typeof connectionOf>[], watch: CoreWatch): Promise<CoreProcess> {
  const connections = (options.connections ?? Connections.none).withJournal(options.journal);
  const { journalDirectory } = connections;
  return startCore({
    binary: options.core,
    hello: {
      hostVersion: schedulerVersion,
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
    watch,
    // How fast a core starts and answers has nothing to do with how long leases are.
    timeScale: Math.max(1, options.timeScale),
  });
}
