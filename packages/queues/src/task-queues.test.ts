import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chunkTaskId, jobIdFromKey, type QueueName, type TaskId } from '@millrace/protocol';
import { type Job, Queue } from 'bullmq';
import { type ClaimedTask, openQueues, type Queues, type TaskOutcome } from './index.ts';
import { connectionOptions, connectRedis, type RedisClient } from './redis.ts';
import { entryOptions, TaskQueues, workerOptions } from './task-queues.ts';
import { openTestQueues, quietLog, testTimes } from './testing/fixture.ts';
import { startTestRedis, type TestRedis } from './testing/redis.ts';

let redis: TestRedis;
let queues: Queues;
const prefix = 'tasks:{m}';
before(async () => {
  redis = await startTestRedis();
  queues = await openTestQueues(redis.url, prefix);
});
after(async () => {
  await queues.close();
  await redis.stop();
});

function task(name: string, number = 1): TaskId {
  return chunkTaskId(`${jobIdFromKey('default', name)}.read.0` as never, { generation: 1, epoch: 'e1', number });
}

async function eventually(what: () => Promise<boolean> | boolean, deadlineMs = 120_000): Promise<void> {
  for (const startMs = performance.now(); performance.now() - startMs < deadlineMs; await sleep(20)) if (await what()) return;
  assert.fail('it did not happen in time');
}

describe('task queues', () => {
  test('run a task once, however often it was enqueued', async () => {
    const queue: QueueName = 'chunk-once-r1';
    const taskId = task('once');
    const ran: ClaimedTask[] = [];
    await queues.tasks.enqueue(queue, [{ taskId, signature: 'k.00' }]);
    await queues.tasks.enqueue(queue, [
      { taskId, signature: 'k.00' },
      { taskId, signature: 'k.00' },
    ]);
    assert.deepEqual(await queues.tasks.counts(queue), { waiting: 1, active: 0 });
    assert.equal(await queues.tasks.has(queue, taskId), true);
    const consumer = queues.tasks.consume(queue, { concurrency: 2 }, async (claimed) => {
      ran.push(claimed);
      assert.equal(await claimed.renew(), 'renewed');
      return 'acknowledge';
    });
    consumer.start();
    await eventually(async () => ran.length === 1 && !(await queues.tasks.has(queue, taskId)));
    await consumer.stop();
    assert.deepEqual([ran[0]?.taskId, ran[0]?.signature, ran[0]?.queue], [taskId, 'k.00', queue]);
    await queues.tasks.enqueue(queue, [{ taskId, signature: 'k.00' }]);
    assert.deepEqual(await queues.tasks.counts(queue), { waiting: 0, active: 0 }, 'an id that was used is not run again');
  });

  test('treat a handler that throws as a failed task and go on', async () => {
    const queue: QueueName = 'chunk-throws-r1';
    await queues.tasks.enqueue(
      queue,
      [1, 2, 3].map((number) => ({ taskId: task('throws', number), signature: null })),
    );
    const ends: TaskOutcome[] = ['failed', 'acknowledge'];
    let calls = 0;
    const consumer = queues.tasks.consume(queue, { concurrency: 1 }, async () => {
      const end = ends[calls++];
      if (end === undefined) throw new Error('a bug');
      return end;
    });
    consumer.start();
    await eventually(async () => calls === 3 && (await queues.tasks.counts(queue)).active === 0);
    await consumer.stop();
  });

  test('hand a released task to another host, without its own', async () => {
    const queue: QueueName = 'chunk-release-r1';
    const taskId = task('release');
    await queues.tasks.enqueue(queue, [{ taskId, signature: null }]);
    const claimed = Promise.withResolvers<void>();
    const drain = Promise.withResolvers<void>();
    const first = queues.tasks.consume(queue, { concurrency: 1 }, async () => {
      claimed.resolve();
      await drain.promise;
      return 'release';
    });
    first.start();
    await claimed.promise;
    const stopped = first.stop();
    drain.resolve();
    await stopped;
    assert.deepEqual(await queues.tasks.counts(queue), { waiting: 1, active: 0 });
    let second = 0;
    const other = queues.tasks.consume(queue, { concurrency: 1 }, async () => {
      second++;
      return 'acknowledge';
    });
    other.start();
    await eventually(() => second === 1);
    await other.stop();
  });

  test('rescue the task of a host that stopped renewing, and tell that host', async () => {
    const queue: QueueName = 'chunk-rescue-r1';
    await queues.tasks.enqueue(queue, [{ taskId: task('rescue'), signature: null }]);
    const answers: string[] = [];
    const release = Promise.withResolvers<void>();
    let runs = 0;
    const consumer = queues.tasks.consume(queue, { concurrency: 2 }, async (claimed) => {
      runs++;
      if (runs > 1) {
        answers.push('rescued');
        return 'acknowledge';
      }
      await release.promise;
      answers.push(await claimed.renew());
      return 'acknowledge';
    });
    consumer.start();
    await eventually(() => runs === 2);
    release.resolve();
    await eventually(() => answers.length === 2);
    await consumer.stop();
    assert.deepEqual(answers, ['rescued', 'lost']);
  });

  test('keep a renewed lease for longer than a lease', async () => {
    const queue: QueueName = 'chunk-renewed-r1';
    await queues.tasks.enqueue(queue, [{ taskId: task('renewed'), signature: null }]);
    let runs = 0;
    const done = Promise.withResolvers<void>();
    const consumer = queues.tasks.consume(queue, { concurrency: 2 }, async (claimed) => {
      runs++;
      for (const startMs = performance.now(); performance.now() - startMs < testTimes.leaseMs * 2; await sleep(testTimes.renewMs)) {
        assert.equal(await claimed.renew(), 'renewed');
      }
      done.resolve();
      return 'acknowledge';
    });
    consumer.start();
    await done.promise;
    await consumer.stop();
    assert.equal(runs, 1);
  });

  test('write the settings of each entry into Redis', async () => {
    const connection = await connectRedis({ address: redis.url, passwordFile: null }, 'service', testTimes, quietLog);
    const queue = new Queue('chunk-settings-r1', { connection, prefix });
    await queues.tasks.enqueue('chunk-settings-r1', [{ taskId: task('settings'), signature: 'k1.0123456789abcdef0123456789abcdef' }]);
    const entry = (await queue.getJob(task('settings'))) as Job;
    assert.deepEqual(
      [entry.opts.attempts, entry.opts.stackTraceLimit, entry.opts.keepLogs, entry.opts.delay, entry.opts.priority],
      [1, 1, 0, undefined, undefined],
    );
    assert.ok(JSON.stringify(entry.data).length < 64, 'small enough for the compact encoding');
    await queue.close();
    connection.disconnect();
  });
});

describe('settings', () => {
  test('of workers and entries are those that the measured facts demand', () => {
    const options = workerOptions({ ...testTimes, leaseMs: 60_000, stalledIntervalMs: 15_000, socketTimeoutMs: 15_000 }, 3);
    assert.deepEqual(options, {
      concurrency: 3,
      autorun: false,
      lockDuration: 60_000,
      skipLockRenewal: true,
      stalledInterval: 15_000,
      maxStalledCount: 1_000_000,
      drainDelay: 5,
      removeOnComplete: { count: 1_000, age: 3_600 },
      removeOnFail: { count: 1_000, age: 86_400 },
    });
    assert.deepEqual(entryOptions, { attempts: 1, stackTraceLimit: 1, sizeLimit: 1_024, keepLogs: 0 });
  });

  test('of connections wait as a worker must, or fail as a caller wants', () => {
    const worker = connectionOptions('worker', testTimes);
    assert.deepEqual([worker.maxRetriesPerRequest, worker.enableOfflineQueue, worker.socketTimeout], [null, true, testTimes.socketTimeoutMs]);
    const failFast = connectionOptions('failFast', testTimes);
    assert.deepEqual([failFast.maxRetriesPerRequest, failFast.enableOfflineQueue], [1, false]);
    for (let attempt = 1; attempt < 100; attempt++) {
      const delay = worker.retryStrategy(attempt);
      assert.ok(delay >= 50 && delay <= 2_000);
    }
    assert.equal(worker.reconnectOnError(new Error('READONLY you cannot write')), 2);
    assert.equal(worker.reconnectOnError(new Error('ERR other')), false);
  });

  test('of a Redis that evicts keys are refused by name', async () => {
    const evicting = await startTestRedis(['--maxmemory-policy', 'allkeys-lru']);
    await assert.rejects(openQueues({ redis: evicting.url, times: testTimes, log: quietLog }), /expected maxmemory-policy noeviction, got allkeys-lru/);
    await evicting.stop();
  });
});

describe('a consumer that cannot connect at first', () => {
  const queue: QueueName = 'chunk-late-r1';
  const tasksOver = async (connectWorker: () => Promise<RedisClient>): Promise<{ tasks: TaskQueues; close(): Promise<void> }> => {
    const connection = await connectRedis({ address: redis.url, passwordFile: null }, 'service', testTimes, quietLog);
    const tasks = new TaskQueues({ connection, names: 'tasks:{m}:names', connectWorker, prefix, times: testTimes, log: quietLog });
    const close = async (): Promise<void> => {
      await tasks.close();
      connection.disconnect();
    };
    return { tasks, close };
  };

  test('tries again, and takes its tasks', async () => {
    let tries = 0;
    const { tasks, close } = await tasksOver(async () => {
      tries += 1;
      if (tries < 3) throw new Error('Connection is closed.');
      return connectRedis({ address: redis.url, passwordFile: null }, 'worker', testTimes, quietLog);
    });
    const taskId = task('late');
    const taken = Promise.withResolvers<TaskId>();
    await tasks.enqueue(queue, [{ taskId, signature: 'k.00' }]);
    const consumer = tasks.consume(queue, { concurrency: 1 }, async (claimed) => {
      taken.resolve(claimed.taskId);
      return 'acknowledge';
    });
    consumer.start();
    assert.equal(await taken.promise, taskId);
    assert.equal(tries, 3);
    await consumer.stop();
    await close();
  });

  test('can be stopped before it ever connected', async () => {
    const tried = Promise.withResolvers<void>();
    const { tasks, close } = await tasksOver(async () => {
      tried.resolve();
      throw new Error('Connection is closed.');
    });
    const consumer = tasks.consume(queue, { concurrency: 1 }, async () => 'acknowledge');
    consumer.start();
    await tried.promise;
    await consumer.stop();
    await close();
  });
});
