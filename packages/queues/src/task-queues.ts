/**
 * The only importer of bullmq: enqueue, claim, renew, acknowledge, release, count. A queue entry is a hint that a task may be run; whether it may
 * is the ledger's answer, and whether it counted is the journal's. BullMQ's own retries, delays, priorities and renewals are not used.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type LeaseTimes, parseQueueName, type QueueName, type TaskId } from '@millrace/protocol';
import { Queue, type Job as QueueEntry, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import type { Log } from './log.ts';
import type { RedisClient } from './redis.ts';
import { Together } from './together.ts';

/** How a handler ended: done with the task; done and the attempt failed; given back to the queue for another host. */
export type TaskOutcome = 'acknowledge' | 'failed' | 'release';

export interface TaskEntry {
  readonly taskId: TaskId;
  /** Null for intake tasks: they are input. */
  readonly signature: string | null;
  /** Whose request an intake task is for; the key it is read from makes it true. */
  readonly tenant?: string;
}

export interface ClaimedTask {
  readonly taskId: TaskId;
  readonly queue: QueueName;
  /** As it stands in Redis: not verified here. */
  readonly signature: string | null;
  readonly tenant: string | null;
  /** When it was enqueued, by the clock of whoever did, in milliseconds since 1970. */
  readonly enqueuedAtMs: number;
  /** Extends the lease by its full length from now. `lost`: somebody else may have the task. Throws when Redis does not answer. */
  renew(): Promise<'renewed' | 'lost'>;
}

export interface TaskConsumer {
  start(): void;
  /** Takes no more tasks and resolves when the handlers in hand have ended. Has no deadline of its own. */
  stop(): Promise<void>;
}

export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
}

export interface QueueLook extends QueueCounts {
  /** By the clock of whoever added it; null when nothing waits. */
  readonly oldestEnqueuedAtMs: number | null;
  readonly paused: boolean;
}

/** What a task carries in Redis: few bytes. BullMQ keeps the id in the options too, so that an entry takes 600 to 700 bytes; the window bounds how many. */
interface EntryData {
  readonly s?: string;
  readonly t?: string;
}

type Entry = QueueEntry<EntryData, void, string>;

/** Settings that measured facts about BullMQ demand; a test asserts them. */
export const entryOptions = { attempts: 1, stackTraceLimit: 1, sizeLimit: 1_024, keepLogs: 0 } as const;
const renewedAtOnce = 64;
const keepCompleted = { count: 1_000, age: 3_600 } as const;
const keepFailed = { count: 1_000, age: 86_400 } as const;

export function workerOptions(times: LeaseTimes, concurrency: number) {
  return {
    concurrency,
    autorun: false,
    lockDuration: times.leaseMs,
    // Renewals are ours: BullMQ's timer can die silently, and it obeys the wall clock.
    skipLockRenewal: true,
    stalledInterval: times.stalledIntervalMs,
    // The second stall in a task's life must not fail it without our record: losses are counted in the ledger.
    maxStalledCount: 1_000_000,
    // The longest block. Three fit into a socket timeout, so that an idle worker is not taken for a dead connection.
    drainDelay: Math.max(0.05, Math.min(5, times.socketTimeoutMs / 3_000)),
    removeOnComplete: keepCompleted,
    removeOnFail: keepFailed,
  };
}

export class TaskQueues {
  readonly #connection: RedisClient;
  readonly #connectWorker: () => Promise<RedisClient>;
  readonly #prefix: string;
  /** Key of the names of all queues. */
  readonly #names: string;
  readonly #times: LeaseTimes;
  readonly #log: Log;
  readonly #queues = new Map<QueueName, Queue<EntryData>>();
  readonly #consumers = new Set<Consumer>();

  constructor(options: {
    connection: RedisClient;
    connectWorker: () => Promise<RedisClient>;
    prefix: string;
    names: string;
    times: LeaseTimes;
    log: Log;
  }) {
    this.#connection = options.connection;
    this.#connectWorker = options.connectWorker;
    this.#prefix = options.prefix;
    this.#names = options.names;
    this.#times = options.times;
    this.#log = options.log;
  }

  /**
   * Adds tasks. A task that the queue has or had is left alone, so the call may be repeated after any error. Throws when an entry was not
   * taken as sent; those before it are there.
   */
  async enqueue(queue: QueueName, tasks: readonly TaskEntry[]): Promise<void> {
    const entries = tasks.map(({ taskId, signature, tenant }) => ({
      name: 'task',
      data: { ...(signature === null ? {} : { s: signature }), ...(tenant === undefined ? {} : { t: tenant }) },
      opts: { ...entryOptions, jobId: taskId },
    }));
    for (let at = 0; at < entries.length; at += 500) {
      const some = entries.slice(at, at + 500);
      const added = await this.#queue(queue).addBulk(some);
      // Negative codes come back in place of ids: a script that refused does not throw here.
      const wrong = some.findIndex((entry, index) => added[index]?.id !== entry.opts.jobId);
      if (wrong >= 0) throw new Error(`cannot enqueue tasks: expected ${some[wrong]?.opts.jobId}, got ${added[wrong]?.id}`);
    }
  }

  /** A consumer that has not started. `concurrency` handlers run at once; a handler that throws counts as `failed`. */
  consume(queue: QueueName, options: { concurrency: number }, handle: (task: ClaimedTask) => Promise<TaskOutcome>): TaskConsumer {
    const consumer = new Consumer({
      queue,
      handle,
      connect: this.#connectWorker,
      prefix: this.#prefix,
      options: workerOptions(this.#times, options.concurrency),
      leaseMs: this.#times.leaseMs,
      log: this.#log,
    });
    this.#consumers.add(consumer);
    return consumer;
  }

  /** An entry that waits or is active. One that ended is as good as none. */
  async has(queue: QueueName, taskId: TaskId): Promise<boolean> {
    const state = await this.#queue(queue).getJobState(taskId);
    return state !== 'unknown' && state !== 'completed' && state !== 'failed';
  }

  async counts(queue: QueueName): Promise<QueueCounts> {
    const counts = await this.#queue(queue).getJobCounts('wait', 'active');
    return { waiting: counts['wait'] ?? 0, active: counts['active'] ?? 0 };
  }

  /** The leading scheduler names the queues that there are again and again. */
  async remember(queues: readonly QueueName[]): Promise<void> {
    if (queues.length > 0) await this.#connection.sadd(this.#names, ...queues);
  }

  /** Queues that were ever named, by name. */
  async names(): Promise<QueueName[]> {
    return ((await this.#connection.smembers(this.#names)) as QueueName[]).sort();
  }

  async look(queue: QueueName): Promise<QueueLook> {
    const own = this.#queue(queue);
    const [counts, paused, [oldest]] = await Promise.all([this.counts(queue), own.isPaused(), own.getWaiting(0, 0)]);
    return { ...counts, paused, oldestEnqueuedAtMs: counts.waiting === 0 ? null : (oldest?.timestamp ?? null) };
  }

  /** Hosts take nothing from a paused queue; what they have in hand goes on. Set again it changes nothing. */
  async setPaused(queue: QueueName, paused: boolean): Promise<void> {
    const own = this.#queue(queue);
    if ((await own.isPaused()) === paused) return;
    await (paused ? own.pause() : own.resume());
  }

  /** Stops what still consumes, then closes. */
  async close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.stop()));
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }

  #queue(name: QueueName): Queue<EntryData> {
    parseQueueName(name);
    const known = this.#queues.get(name);
    if (known) return known;
    const queue = new Queue<EntryData>(name, {
      connection: this.#connection,
      prefix: this.#prefix,
      // What is kept of those that ended is said by the consumer: here it would be stored with each entry.
      defaultJobOptions: entryOptions,
      streams: { events: { maxLen: 10_000 } },
    });
    queue.on('error', (error) => this.#log.debug({ err: error, queue: name }, 'queue connection failed'));
    this.#queues.set(name, queue);
    return queue;
  }
}

/** From the last task in hand to the end of a consumer that BullMQ does not close by itself, in ms. */
const closeMs = 2_000;
/** Between two tries of a consumer to connect, in ms. */
const startAgainMs = 500;

interface ConsumerParts {
  readonly queue: QueueName;
  readonly handle: (task: ClaimedTask) => Promise<TaskOutcome>;
  readonly connect: () => Promise<RedisClient>;
  readonly prefix: string;
  readonly options: ReturnType<typeof workerOptions>;
  readonly leaseMs: number;
  readonly log: Log;
}

interface Claim {
  readonly id: string;
  readonly token: string;
}

/** False: the lease is lost. */
type Renewals = (claim: Claim) => Promise<boolean>;

class Consumer implements TaskConsumer {
  readonly #parts: ConsumerParts;
  #starting: Promise<Worker<EntryData, void> | null> | null = null;
  #connection: RedisClient | null = null;
  #stopping: Promise<void> | null = null;
  readonly #halt = new AbortController();
  #inHand = 0;
  /** Called when nothing is in hand any more. */
  #onIdle: (() => void) | null = null;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#starting ??= this.#begin();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  /** Until it is connected, or stopped: whoever could not connect in one bad moment would never take a task. */
  async #begin(): Promise<Worker<EntryData, void> | null> {
    const { queue, connect, log } = this.#parts;
    for (let isFirst = true; !this.#halt.signal.aborted; isFirst = false) {
      try {
        return this.#consume(await connect());
      } catch (err) {
        if (isFirst) log.error({ err, queue }, 'cannot start to consume');
        await sleep(startAgainMs, undefined, { ref: false, signal: this.#halt.signal }).catch(() => undefined);
      }
    }
    return null;
  }

  #consume(connection: RedisClient): Worker<EntryData, void> {
    const { queue, prefix, options, log } = this.#parts;
    this.#connection = connection;
    const worker: Worker<EntryData, void> = new Worker(queue, (entry, token) => this.#process(entry, token ?? '', renewals), {
      ...options,
      connection,
      prefix,
    });
    const renewals = this.#renewals(worker);
    // Errors while fetching come without any delay between them: one line a second is enough.
    worker.on(
      'error',
      rateLimited((error) => log.warn({ err: error, queue }, 'cannot fetch tasks')),
    );
    void worker.run();
    return worker;
  }

  async #end(): Promise<void> {
    this.#halt.abort();
    const worker = await this.#starting;
    if (worker) await Promise.race([worker.close(), this.#idleFor(closeMs)]);
    this.#connection?.disconnect();
  }

  /**
   * Resolves when nothing has been in hand for so long. A close that begins while BullMQ's blocking connection comes back after a restart of Redis never
   * ends (seen with BullMQ 6.7, in half of the tries); what it leaves unacknowledged is rescued.
   */
  async #idleFor(ms: number): Promise<void> {
    if (this.#inHand > 0) {
      const idle = Promise.withResolvers<void>();
      this.#onIdle = idle.resolve;
      await idle.promise;
    }
    await sleep(ms, undefined, { ref: false });
  }

  /** Leases that are renewed in the same moment are renewed by one call. */
  #renewals(worker: Worker<EntryData, void>): Renewals {
    const { leaseMs, queue } = this.#parts;
    const renew = async (_queue: string, claims: readonly Claim[]): Promise<boolean[]> => {
      const ids = claims.map(({ id }) => id);
      const tokens = claims.map(({ token }) => token);
      const lost = new Set((await worker.extendJobLocks(ids, tokens, leaseMs)).map(String));
      return ids.map((id) => !lost.has(id));
    };
    const together = new Together(renew, { most: renewedAtOnce });
    return (claim) => together.call(queue, claim);
  }

  async #process(entry: Entry, token: string, renewals: Renewals): Promise<void> {
    this.#inHand += 1;
    try {
      await this.#handle(entry, token, renewals);
    } finally {
      this.#inHand -= 1;
      if (this.#inHand === 0) this.#onIdle?.();
    }
  }

  async #handle(entry: Entry, token: string, renewals: Renewals): Promise<void> {
    const { queue, handle, log } = this.#parts;
    const data: EntryData = typeof entry.data === 'object' && entry.data !== null ? entry.data : {};
    const task: ClaimedTask = {
      // A ghost (its hash is gone) has an id all the same; its missing signature gives it away.
      taskId: String(entry.id) as TaskId,
      queue,
      signature: typeof data.s === 'string' ? data.s : null,
      tenant: typeof data.t === 'string' ? data.t : null,
      enqueuedAtMs: entry.timestamp,
      renew: async () => ((await renewals({ id: String(entry.id), token })) ? 'renewed' : 'lost'),
    };
    const outcome = await handle(task).catch((error: unknown): TaskOutcome => {
      log.error({ err: error, taskId: task.taskId }, 'task handler failed');
      return 'failed';
    });
    if (outcome === 'failed') throw new UnrecoverableError('FAILED');
    if (outcome === 'release') {
      await entry.moveToWait(token);
      throw new WaitingError();
    }
  }
}

/** At most one call a second. */
function rateLimited(report: (error: Error) => void): (error: Error) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    const nowMs = performance.now();
    if (nowMs - lastMs < 1_000) return;
    lastMs = nowMs;
    report(error);
  };
}
