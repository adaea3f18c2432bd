/** Opens everything this package offers over one connection policy, after checking that this Redis will not lose work by design. */
import type { LeaseTimes } from '@millrace/protocol';
import { ApiCalls } from './api-calls.ts';
import { CircuitStates } from './circuit-states.ts';
import { defaultPrefix, keysUnder } from './keys.ts';
import { LateSweeps } from './late-sweeps.ts';
import { LeaderLease } from './leader-lease.ts';
import { Ledger } from './ledger.ts';
import { LedgerClient } from './ledger-client.ts';
import { LiveEvents } from './live-events.ts';
import type { Log } from './log.ts';
import { Operations } from './operations.ts';
import { QueueSettings } from './queue-settings.ts';
import { type CommandWatch, checkRedis, closeRedis, connectRedis, memoryWatch, type RedisClient, redisMemory, redisTime } from './redis.ts';
import { Requests } from './requests.ts';
import { ScalingBoard } from './scaling-board.ts';
import { Sentinel } from './sentinel.ts';
import { Series } from './series.ts';
import { Sessions } from './sessions.ts';
import { Subscriber } from './subscriber.ts';
import { TaskQueues } from './task-queues.ts';
import { WorkerRegistry } from './worker-registry.ts';

export interface QueuesOptions {
  /** `unix:///path/redis.sock` or `redis://host:port`. */
  readonly redis: string;
  /** A file that holds the password, read before every connection. Defaults to null. */
  readonly passwordFile?: string | null;
  /** Must contain one hash tag. Defaults to `millrace:{m}`. */
  readonly prefix?: string;
  readonly times: LeaseTimes;
  readonly log: Log;
  /** For callers that would rather fail than wait while Redis is away: producers and the api. Defaults to false. */
  readonly failFast?: boolean;
  /** Told of each command that does not block. */
  readonly onCommand?: CommandWatch | undefined;
}

export interface Queues {
  readonly tasks: TaskQueues;
  readonly ledger: Ledger;
  readonly requests: Requests;
  readonly leader: LeaderLease;
  readonly workers: WorkerRegistry;
  readonly events: LiveEvents;
  readonly operations: Operations;
  readonly sentinel: Sentinel;
  readonly sweeps: LateSweeps;
  readonly circuits: CircuitStates;
  readonly sessions: Sessions;
  readonly calls: ApiCalls;
  readonly series: Series;
  readonly scaling: ScalingBoard;
  readonly settings: QueueSettings;
  /** Redis holds four fifths of what it may: nothing that can wait is added. Asked of Redis at most once a second. */
  isFull(): Promise<boolean>;
  /** The instant of Redis, in milliseconds since 1970; throws when it does not answer. */
  time(): Promise<number>;
  /** Bytes that Redis uses, and may use; 0: no limit. */
  memory(): Promise<{ readonly used: number; readonly limit: number }>;
  /** Throws `RedisUnsuitableError` when Redis began to evict keys; to be asked every 30 s. */
  check(): Promise<void>;
  /** Stops consumers, waiting for the tasks in hand, then disconnects. */
  close(): Promise<void>;
}

/** Throws `RedisUnsuitableError` for a Redis that is too old or evicts keys. */
export async function openQueues(options: QueuesOptions): Promise<Queues> {
  const { times, log } = options;
  const place = { address: options.redis, passwordFile: options.passwordFile ?? null };
  const prefix = options.prefix ?? defaultPrefix;
  if (!/\{[^{}]+\}/.test(prefix)) throw new TypeError(`cannot open queues: expected a prefix with a hash tag such as ${defaultPrefix}, got ${prefix}`);
  const keys = keysUnder(prefix);
  const connections: RedisClient[] = [];
  const connect = async (kind: Parameters<typeof connectRedis>[1]): Promise<RedisClient> => {
    const client = await connectRedis(place, kind, times, log, options.onCommand);
    connections.push(client);
    return client;
  };
  const closeAll = (): void => connections.forEach(closeRedis);
  try {
    const redis = await connect(options.failFast ? 'failFast' : 'service');
    await checkRedis(redis);
    const subscriber = new Subscriber(() => connect('service'), Math.max(50, Math.min(5_000, times.socketTimeoutMs / 3)));
    const tasks = new TaskQueues({ connection: redis, names: keys.queueNames, connectWorker: () => connect('worker'), prefix, times, log });
    return {
      tasks,
      ledger: new Ledger(new LedgerClient(redis, keys)),
      requests: new Requests({ redis, keys, tasks, subscriber }),
      leader: new LeaderLease({ redis, keys, times, log }),
      workers: new WorkerRegistry({ redis, keys, times }),
      events: new LiveEvents({ redis, keys, subscriber }),
      operations: new Operations({ redis, keys }),
      sentinel: new Sentinel({ redis, keys }),
      sweeps: new LateSweeps({ redis, keys }),
      circuits: new CircuitStates({ redis, keys }),
      sessions: new Sessions({ redis, keys }),
      calls: new ApiCalls({ redis, keys }),
      series: new Series({ redis, keys }),
      scaling: new ScalingBoard({ redis, keys }),
      settings: new QueueSettings({ redis, keys }),
      isFull: memoryWatch(redis),
      time: () => redisTime(redis),
      memory: () => redisMemory(redis),
      check: () => checkRedis(redis),
      close: async () => {
        await tasks.close();
        await subscriber.close();
        closeAll();
      },
    };
  } catch (error) {
    closeAll();
    throw error;
  }
}
