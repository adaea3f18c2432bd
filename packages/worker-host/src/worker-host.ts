/** A worker host: takes tasks of its pool while no drain is asked, one core per slot, and tells the others that it is alive. */
import { hostname } from 'node:os';
import { Connections, CorePool, type CoreProcess, corePath, type HelloOptions, SteadyCore, startCore } from '@millrace/core-client';
import { AuditLog, openJournal, testStore } from '@millrace/journal';
import { type ChunkId, leaseTimes, parseTaskKeys, workKinds, workQueueName } from '@millrace/protocol';
import { openQueues, type Queues, RedisUnsuitableError, type TaskConsumer } from '@millrace/queues';
import { AppError, type Clock, describeError, type Health, idSource, type Log, type Random, type Service, service } from '@millrace/service-kit';
import type { WorkerHostConfig } from './config.ts';
import { CoreCounts, toldTo } from './core-counts.ts';
import { CrashStreak } from './crash-streak.ts';
import { executeTask } from './execute-task.ts';
import { sweepLate } from './handlers/finish-job.ts';
import { retire } from './handlers/retire.ts';
import { HostHealth } from './health.ts';
import type { Host } from './host.ts';
import { hostMemory, memoryProblem, slotsFor } from './host-slots.ts';
import { KeptRecords } from './kept-records.ts';
import type { HostMetrics } from './metrics.ts';
import { RefusedTasks } from './refused-tasks.ts';

export interface WorkerHostParts {
  readonly config: WorkerHostConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  /** How this process ends when an operator asks it to drain; a SIGTERM to itself unless somebody else owns the process. */
  readonly endProcess?: () => void;
  readonly metrics: HostMetrics;
  readonly health: Health;
  /** Where credentials of connections are found. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const HOST_VERSION = '0.1.0';
const STORE_CORE_BYTES = 256 << 20;
/**
 * After the drain's own time: for releasing tasks and writing what is left. Longer than a core that does not answer is given to hear a cancel (5 s), and
 * shorter than the process has after its drain: an attempt whose core hangs is released, and not counted as failed because the journal was closed first.
 */
const HAND_BACK_MS = 8_000;
/** Distance of two looks at whether Redis evicts keys; scaled with the other times. */
const REDIS_CHECK_MS = 30_000;
/** A late sweep whose host died over it is taken by another after so long. */
const SWEEP_AGAIN_MS = 600_000;

export interface WorkerHostService extends Service {
  /** Rejects when this host had better take no more work: it must be stopped, which drains it. */
  readonly unsound: Promise<never>;
  /** Attempts in hand are released now instead of at the end of the drain's time. */
  hurry(): void;
}

export function workerHost(parts: WorkerHostParts): WorkerHostService {
  const running = new RunningHost(parts);
  const started = service(
    'worker host',
    () => running.start(),
    () => running.stop(),
  );
  return { ...started, unsound: running.unsound, hurry: () => running.hurry() };
}

class RunningHost {
  readonly #parts: WorkerHostParts;
  readonly #drain = new AbortController();
  readonly #consumers: TaskConsumer[] = [];
  #cores: CorePool | null = null;
  #steady: SteadyCore | null = null;
  #queues: Queues | null = null;
  #beat: NodeJS.Timeout | null = null;
  #worker: string | null = null;
  #host: Host | null = null;
  readonly #connections: Connections;
  readonly #slots: number;
  readonly #unsound = Promise.withResolvers<never>();
  readonly #coreCounts: CoreCounts;
  readonly #health: HostHealth;
  #busy = 0;
  #checkedAtMs = 0;
  #isDraining = false;
  #isSweeping = false;
  #isReading = false;
  #isAsked = false;

  constructor(parts: WorkerHostParts) {
    this.#parts = parts;
    // Not every owner watches it.
    this.#unsound.promise.catch(() => {});
    const { config, metrics, health, clock } = parts;
    this.#coreCounts = new CoreCounts(metrics, config.MILLRACE_SCRATCH);
    this.#health = new HostHealth(health, leaseTimes(config.MILLRACE_TIME_SCALE), () => this.#cores?.liveCores ?? 0, metrics, clock);
    const memory = hostMemory();
    this.#slots = slotsFor(config.MILLRACE_SLOTS, config.MILLRACE_CORE_MEMORY, memory);
    const problem = memoryProblem(this.#slots, config.MILLRACE_CORE_MEMORY, memory);
    if (problem !== null) parts.log.warn({ slots: this.#slots, reason: problem }, 'slots may not fit into memory');
    this.#connections = Connections.read(config.MILLRACE_CONNECTIONS, parts.environment).withJournal(config.MILLRACE_JOURNAL);
  }

  get unsound(): Promise<never> {
    return this.#unsound.promise;
  }

  hurry(): void {
    this.#drain.abort('drain');
  }

  async start(): Promise<void> {
    const { config, log, random, metrics } = this.#parts;
    const times = leaseTimes(config.MILLRACE_TIME_SCALE);
    this.#cores = new CorePool({
      slots: this.#slots,
      start: (slot) => this.#startCore(slot, config.MILLRACE_CORE_MEMORY),
      log,
      random: () => random.next(),
    });
    this.#steady = new SteadyCore(() => this.#startCore(this.#slots, STORE_CORE_BYTES));
    await this.#cores.start();
    const { hello } = await this.#steady.current();
    checkVersions(config, hello);
    this.#health.core.passed(`${hello.coreVersion}, result version ${hello.resultVersion}`);
    metrics.recordBuild({ service: 'worker-host', version: HOST_VERSION, coreVersion: hello.coreVersion, resultVersion: hello.resultVersion });
    await this.#testStores(this.#steady);
    this.#health.store.passed('keeps its promises');
    this.#queues = await openQueues({
      redis: config.MILLRACE_REDIS,
      passwordFile: config.MILLRACE_REDIS_PASSWORD_FILE ?? null,
      times,
      log,
      onCommand: (seconds, worked) => this.#noteCommand(seconds, worked),
    });
    this.#health.redis.passed('evicts nothing');
    const host = this.#hostOf(this.#cores, this.#steady, this.#queues, hello);
    this.#worker = host.identity.worker;
    this.#host = host;
    await this.#tellAlive(host);
    this.#beat = setInterval(() => void this.#tellAlive(host), times.workerBeatMs);
    for (const kind of workKinds) this.#consume(kind, host);
  }

  #hostOf(cores: CorePool, store: SteadyCore, queues: Queues, hello: { readonly coreVersion: string; readonly resultVersion: number }): Host {
    const { config, log, clock, random, metrics } = this.#parts;
    const journal = openJournal(store);
    const ids = idSource(clock, random);
    const worker = config.MILLRACE_WORKER_ID ?? `w-${Buffer.from(random.bytes(6)).toString('hex')}`;
    const identity = { worker, pod: config.MILLRACE_POD_NAME ?? null, node: config.MILLRACE_NODE_NAME ?? hostname() };
    return {
      queues,
      cores,
      store,
      journal,
      records: new KeptRecords(journal),
      times: leaseTimes(config.MILLRACE_TIME_SCALE),
      taskKeys: parseTaskKeys(config.MILLRACE_TASK_KEY),
      identity,
      pool: config.MILLRACE_POOL,
      secrets: config.MILLRACE_SECRETS ?? null,
      coreVersion: hello.coreVersion,
      resultVersion: hello.resultVersion,
      ids,
      log,
      drain: this.#drain.signal,
      refused: new RefusedTasks({ audit: new AuditLog(journal, ids, metrics.recordAuditFailure), clock, log, worker: identity.worker }),
      crashes: new CrashStreak((chunks) => this.#suspect(chunks, queues)),
      clock,
      metrics,
      leases: this.#health,
    };
  }

  #noteCommand(seconds: number, worked: boolean): void {
    this.#parts.metrics.recordCall('redis', 'command', worked ? 'ok' : 'failed', seconds);
    if (worked) this.#health.redisCalls.worked();
  }

  /** Readiness goes by the last read that worked; one each third of the time it may be old. */
  async #checkStore({ journal }: Host): Promise<void> {
    const { storeCalls } = this.#health;
    if (this.#isReading || (storeCalls.sinceMs ?? Number.POSITIVE_INFINITY) < storeCalls.withinMs / 3) return;
    this.#isReading = true;
    await toldTo(storeCalls, () => journal.readWitness());
    this.#isReading = false;
  }

  async #checkClock({ queues, clock }: Host): Promise<void> {
    const beforeMs = clock.nowMs();
    const redisMs = await queues.time();
    // The answer is of some instant in between.
    this.#parts.metrics.recordClockOffset((beforeMs + clock.nowMs()) / 2 - redisMs);
  }

  /** At most one at a time, beside the work. */
  async #sweepLate(host: Host): Promise<void> {
    if (this.#isDraining || this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      const sweep = await host.queues.sweeps.claim(SWEEP_AGAIN_MS);
      if (sweep === null) return;
      await (sweep.retires === undefined ? sweepLate(sweep, host) : retire(sweep, sweep.retires, host));
      await host.queues.sweeps.done(sweep);
      host.log.info({ jobId: sweep.jobId, generation: sweep.generation }, 'late sweep done');
    } catch (err) {
      host.log.warn({ err: describeError(err) }, 'late sweep not done');
    } finally {
      this.#isSweeping = false;
    }
  }

  /** A Redis that evicts keys loses work that waits: whoever goes on claiming from it runs ghosts. */
  async #checkRedis({ queues, times, clock, log }: Host): Promise<void> {
    if (clock.monotonicMs() - this.#checkedAtMs < Math.max(1_000, REDIS_CHECK_MS * times.timeScale)) return;
    this.#checkedAtMs = clock.monotonicMs();
    try {
      await queues.check();
    } catch (error) {
      if (!(error instanceof RedisUnsuitableError)) throw error;
      log.error({ err: describeError(error) }, 'this host drains: its Redis would lose work');
      this.#unsound.reject(error);
    }
  }

  /** A host that is alone goes on: nobody could tell its faults from those of the data, and its work would have no owner. */
  async #suspect(chunks: readonly ChunkId[], queues: Queues): Promise<void> {
    const { config, log } = this.#parts;
    const others = (await queues.workers.list()).filter(({ worker, pool, draining }) => worker !== this.#worker && pool === config.MILLRACE_POOL && !draining);
    if (others.length === 0) return log.error({ chunks }, 'cores died on different chunks in a row; this host goes on, for it is the only one');
    log.error({ chunks }, 'cores died on different chunks in a row; this host drains');
    this.#unsound.reject(new AppError('CORE_CRASH', `cores of this host died on ${chunks.length} different chunks in a row: ${chunks.join(', ')}`));
  }

  /** Of every place that this host commits to. One after the other: a core does one piece of work at once. */
  async #testStores(core: SteadyCore): Promise<void> {
    const outputs = this.#connections.settings.filter(({ mode }) => mode !== 'read').map(({ name }) => name);
    for (const connection of ['journal', ...outputs]) await testStore(core, connection);
    await openJournal(core).putWitness();
  }

  async #startCore(slot: number, memoryBytes: number): Promise<CoreProcess> {
    const { config, log } = this.#parts;
    const core = await startCore({
      binary: config.MILLRACE_CORE ?? corePath(),
      hello: helloOf(config, this.#connections, slot, memoryBytes),
      connections: this.#connections,
      log,
      watch: this.#coreCounts.watch,
      timeScale: Math.max(1, config.MILLRACE_TIME_SCALE),
    });
    void this.#coreCounts.started(slot, core, log);
    return core;
  }

  #consume(kind: (typeof workKinds)[number], host: Host): void {
    const { log } = this.#parts;
    const queue = workQueueName(kind, host.pool, host.resultVersion);
    // Planning waits for a slot like a chunk does; finishing needs store verbs only.
    const concurrency = kind === 'chunk' ? this.#slots : 1;
    const consumer = host.queues.tasks.consume(queue, { concurrency }, async (task) => {
      this.#countBusy(1);
      try {
        return await executeTask(task, host);
      } finally {
        this.#countBusy(-1);
      }
    });
    consumer.start();
    this.#consumers.push(consumer);
    log.debug({ queue, concurrency }, 'consumer started');
  }

  #countBusy(change: 1 | -1): void {
    this.#busy += change;
    this.#tellSlots();
  }

  #tellSlots(): void {
    const { metrics } = this.#parts;
    metrics.recordAttemptsRunning(this.#busy);
    metrics.recordSlots({ slots: this.#slots, busy: this.#busy, isDraining: this.#isDraining });
  }

  async #tellAlive(host: Host): Promise<void> {
    const { log } = this.#parts;
    const { coreVersion, resultVersion, identity, pool } = host;
    const view = (coreBytes: number) => ({
      ...identity,
      pool,
      coreVersion,
      resultVersion,
      slots: this.#slots,
      busy: this.#busy,
      draining: this.#isDraining,
      pid: process.pid,
      memoryBytes: process.memoryUsage.rss() + coreBytes,
    });
    try {
      const coreBytes = this.#coreCounts.measure();
      void this.#checkStore(host);
      await this.#checkRedis(host);
      void this.#sweepLate(host);
      const { drain } = await host.queues.workers.beat(view(coreBytes));
      if (drain && !this.#isDraining) this.#drainAsAsked();
      await this.#checkClock(host);
    } catch (err) {
      this.#health.redisCalls.failed(describeError(err).message);
      log.warn({ err: describeError(err) }, 'heartbeat not told');
    }
  }

  /** The same way out as for a signal of the system: one drain, one explicit end. */
  #drainAsAsked(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#parts.log.info({ worker: this.#worker }, 'an operator asked this host to drain');
    (this.#parts.endProcess ?? (() => process.kill(process.pid, 'SIGTERM')))();
  }

  /** No more tasks; those in hand may end for a while, then they are released; then everything of ours is gone. */
  async stop(): Promise<void> {
    const { config, metrics, log, clock } = this.#parts;
    const beganMs = clock.monotonicMs();
    log.info({ count: this.#busy }, 'drain started');
    this.#isDraining = true;
    this.#health.isDraining = true;
    this.#tellSlots();
    // From now on nobody counts on these slots.
    if (this.#host !== null) void this.#tellAlive(this.#host);
    const drained = Promise.all(this.#consumers.map((consumer) => consumer.stop())).then(() => 'drained' as const);
    const release = setTimeout(() => this.#drain.abort('drain'), config.MILLRACE_DRAIN_MS);
    const giveUp = this.#parts.clock.sleep(config.MILLRACE_DRAIN_MS + HAND_BACK_MS);
    const end = await Promise.race([drained, giveUp]);
    const result = end !== 'drained' ? 'killed' : this.#drain.signal.aborted ? 'released' : 'finished';
    metrics.recordDrain(result);
    log.info({ result, durationMs: Math.round(clock.monotonicMs() - beganMs) }, 'drain finished');
    clearTimeout(release);
    if (this.#beat !== null) clearInterval(this.#beat);
    if (this.#worker !== null) await this.#queues?.workers.remove(this.#worker).catch(() => undefined);
    await Promise.all([this.#cores?.stop(), this.#steady?.stop()]);
    await this.#queues?.close().catch(() => undefined);
  }
}

/** A wrong image must stop its rollout at the first host, not take tasks. */
function checkVersions(config: WorkerHostConfig, hello: { readonly coreVersion: string; readonly resultVersion: number }): void {
  const { MILLRACE_CORE_VERSION: core = hello.coreVersion, MILLRACE_RESULT_VERSION: result = hello.resultVersion } = config;
  if (core === hello.coreVersion && result === hello.resultVersion) return;
  const found = `${hello.coreVersion}, result version ${hello.resultVersion}`;
  throw new AppError('CORE_VERSION', `cannot start: expected core ${core}, result version ${result}; this one is ${found}`);
}

function helloOf(config: WorkerHostConfig, connections: Connections, slot: number, memoryBytes: number): HelloOptions {
  return {
    hostVersion: HOST_VERSION,
    slot,
    memoryBytes,
    scratchBytes: memoryBytes,
    scratchDir: `${config.MILLRACE_SCRATCH}/slot-${slot}`,
    readRoots: [...config.MILLRACE_READ_ROOTS],
    writeRoots: [...config.MILLRACE_WRITE_ROOTS],
    connections: connections.forHello(),
    httpAllow: [...config.MILLRACE_HTTP_ALLOW],
    ports: [],
    sandbox: config.MILLRACE_SANDBOX,
    logLevel: config.MILLRACE_LOG_LEVEL === 'silent' ? 'error' : config.MILLRACE_LOG_LEVEL,
  };
}
