/**
 * F1: facts about BullMQ 6 that the code rests on (numbers as in the design, `failures.md` 1.1 to 1.3). Each runs against the real library and a real
 * Redis. When an upgrade makes one fail, the code that rests on it must be looked at before the version is taken.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startTestRedis, type TestRedis } from '@millrace/queues/testing';
import { type Job, Queue, UnrecoverableError, WaitingError, Worker, type WorkerOptions } from 'bullmq';
import { Redis } from 'ioredis';
import { until } from '../e2e/support/until.ts';

let redis: TestRedis;
const opened: { close(): Promise<unknown> }[] = [];
const connections: Redis[] = [];
let names = 0;

before(async () => {
  redis = await startTestRedis();
});
after(async () => {
  await Promise.all(opened.map((one) => one.close().catch(() => {})));
  for (const connection of connections) connection.disconnect();
  await redis.stop();
});

function connection(): Redis {
  const opened = new Redis(redis.url.slice('unix://'.length), { maxRetriesPerRequest: null });
  connections.push(opened);
  return opened;
}

function queueOf(name = `q${names++}`): Queue {
  const queue = new Queue(name, { connection: connection() });
  queue.on('error', () => {});
  opened.push(queue);
  return queue;
}

type Handle = (job: Job, token: string | undefined) => Promise<unknown>;

function workerOf(queue: Queue, handle: Handle, options: Partial<WorkerOptions> = {}): Worker & { readonly errors: Error[] } {
  const worker = new Worker(queue.name, (job, token) => handle(job, token), { connection: connection(), drainDelay: 0.1, ...options });
  const errors: Error[] = [];
  worker.on('error', (error) => errors.push(error));
  opened.push(worker);
  return Object.assign(worker, { errors });
}

const gate = () => Promise.withResolvers<void>();

describe('claims and leases', () => {
  it('Q1: progress and data are written without any lock', async () => {
    const queue = queueOf();
    const job = await queue.add('task', { value: 1 }, { jobId: 'a.1' });
    await job.updateData({ value: 2 });
    await job.updateProgress(50);
    assert.deepEqual((await queue.getJob('a.1'))?.data, { value: 2 });
  });

  it('Q2: a token belongs to the fetch loop and is handed on with the next task', async () => {
    const queue = queueOf();
    const tokens: (string | undefined)[] = [];
    workerOf(queue, async (_job, token) => tokens.push(token));
    for (const id of ['a.1', 'a.2', 'a.3']) await queue.add('task', {}, { jobId: id });
    await until('three tasks', () => tokens.length === 3);
    assert.equal(new Set(tokens).size < 3, true, 'so it is no name of an attempt');
  });

  it('Q3: with skipLockRenewal nothing renews but extendLock, which answers 1, and 0 once the lock is lost', async () => {
    const queue = queueOf();
    const answers: number[] = [];
    const done = gate();
    workerOf(
      queue,
      async (job, token) => {
        answers.push(await job.extendLock(token ?? '', 150));
        await delay(400);
        answers.push(await job.extendLock(token ?? '', 150).catch(() => -1));
        done.resolve();
      },
      { lockDuration: 150, skipLockRenewal: true, stalledInterval: 60_000 },
    );
    await queue.add('task', {}, { jobId: 'a.1' });
    await done.promise;
    assert.deepEqual(answers, [1, 0]);
  });

  it('Q3: several locks are extended by one call, which names those that are lost', async () => {
    const queue = queueOf();
    const held: Promise<string[]>[] = [];
    const done = gate();
    const claims: [id: string, token: string][] = [];
    const worker = workerOf(
      queue,
      async (job, token) => {
        claims.push([String(job.id), token ?? '']);
        if (claims.length < 3) return done.promise;
        const [ids, tokens] = [claims.map(([id]) => id), claims.map(([, own], at) => (at === 1 ? 'of another' : own))];
        held.push(worker.extendJobLocks(ids, tokens, 60_000));
        done.resolve();
      },
      { lockDuration: 60_000, skipLockRenewal: true, concurrency: 3 },
    );
    for (const id of ['a.1', 'a.2', 'a.3']) await queue.add('task', {}, { jobId: id });
    await done.promise;
    assert.deepEqual((await held[0])?.map(String), [claims[1]?.[0]]);
  });

  it('Q5: a stalled task goes back to be claimed by another worker', async () => {
    const queue = queueOf();
    const blocked = gate();
    let runs = 0;
    const handle = async (): Promise<void> => {
      runs += 1;
      if (runs === 1) await blocked.promise;
    };
    const short = { lockDuration: 150, skipLockRenewal: true, stalledInterval: 150, maxStalledCount: 1_000_000 };
    workerOf(queue, handle, short);
    await queue.add('task', {}, { jobId: 'a.1' });
    await until('the first run', () => runs === 1);
    workerOf(queue, handle, short);
    await until('the rescue', () => runs === 2);
    blocked.resolve();
  });

  it('Q6: by default the second stall fails a task without running it; with a high count it never does', async () => {
    for (const [options, state] of [
      [{}, 'failed'],
      [{ maxStalledCount: 1_000_000 }, 'active'],
    ] as const) {
      const queue = queueOf();
      const blocked = gate();
      let runs = 0;
      const short = { lockDuration: 100, skipLockRenewal: true, stalledInterval: 100, concurrency: 10, ...options };
      workerOf(
        queue,
        async () => {
          runs += 1;
          await blocked.promise;
        },
        short,
      );
      const job = await queue.add('task', {}, { jobId: 'a.1', attempts: 5 });
      await until('two stalls', async () => (state === 'failed' ? await job.isFailed() : runs >= 4));
      const found = await queue.getJob('a.1');
      if (state === 'failed') assert.match(found?.failedReason ?? '', /stalled more than allowable limit/);
      else assert.equal(await job.isFailed(), false);
      blocked.resolve();
    }
  });

  it('Q10: a processor gets a signal to abort only when it declares three parameters', async () => {
    const queue = queueOf();
    const seen: unknown[] = [];
    const two = new Worker(queue.name, async (...[, , signal]) => void seen.push(signal), { connection: connection(), drainDelay: 0.1 });
    opened.push(two);
    await queue.add('task', {}, { jobId: 'a.1' });
    await until('a run', () => seen.length === 1);
    await two.close();
    const three = new Worker(queue.name, async (_job, _token, signal) => void seen.push(signal), { connection: connection(), drainDelay: 0.1 });
    opened.push(three);
    await queue.add('task', {}, { jobId: 'a.2' });
    await until('another', () => seen.length === 2);
    assert.equal(seen[0], undefined);
    assert.ok(seen[1] instanceof AbortSignal);
  });

  it('Q11: close stops fetching and waits for what runs', async () => {
    const queue = queueOf();
    const running = gate();
    const release = gate();
    let isDone = false;
    const worker = workerOf(queue, async () => {
      running.resolve();
      await release.promise;
      isDone = true;
    });
    await queue.add('task', {}, { jobId: 'a.1' });
    await running.promise;
    await queue.add('task', {}, { jobId: 'a.2' });
    const closed = worker.close().then(() => isDone);
    release.resolve();
    assert.equal(await closed, true);
    assert.equal((await queue.getJobCounts('wait')).wait, 1, 'the other one waits for somebody else');
  });

  it('Q12: a task handed back by moveToWait and WaitingError has used up nothing', async () => {
    const queue = queueOf();
    let handedBack = false;
    const worker = workerOf(queue, async (job, token) => {
      if (handedBack) return;
      handedBack = true;
      await job.moveToWait(token ?? '');
      throw new WaitingError();
    });
    await queue.add('task', {}, { jobId: 'a.1' });
    const done = new Promise<Job>((resolve) => worker.once('completed', (job) => resolve(job)));
    const job = await done;
    assert.deepEqual([job.attemptsMade <= 1, job.stalledCounter, handedBack], [true, 0, true]);
  });
});

describe('finishing', () => {
  it('Q13, Q15: a task whose lock is gone at the end is an error of the worker and no event of the task', async () => {
    const queue = queueOf();
    const raw = connection();
    let completed = 0;
    const worker = workerOf(
      queue,
      async (job) => {
        await raw.del(`bull:${queue.name}:${job.id}:lock`);
      },
      { skipLockRenewal: true, stalledInterval: 60_000 },
    );
    worker.on('completed', () => completed++);
    await queue.add('task', {}, { jobId: 'a.1' });
    await until('the error', () => worker.errors.length > 0);
    assert.match(worker.errors[0]?.message ?? '', /[Mm]issing lock/);
    assert.equal(completed, 0);
  });

  it('Q16: an UnrecoverableError ends a task with attempts left, and one line of stack is kept', async () => {
    const queue = queueOf();
    const worker = workerOf(queue, async () => {
      throw new UnrecoverableError('FAILED');
    });
    const failed = new Promise<Job | undefined>((resolve) => worker.once('failed', (job) => resolve(job)));
    await queue.add('task', {}, { jobId: 'a.1', attempts: 5, stackTraceLimit: 1 });
    await failed;
    const job = await queue.getJob('a.1');
    assert.deepEqual([await job?.isFailed(), job?.failedReason, job?.stacktrace?.length], [true, 'FAILED', 1]);
  });
});

describe('enqueueing', () => {
  it('Q18, Q19: an id that is there in any state is left alone without a word', async () => {
    const queue = queueOf();
    const worker = workerOf(queue, async () => {
      throw new UnrecoverableError('FAILED');
    });
    const failed = new Promise<void>((resolve) => worker.once('failed', () => resolve()));
    await queue.add('task', { first: true }, { jobId: 'a.1' });
    await failed;
    await worker.close();
    const again = await queue.add('task', { first: false }, { jobId: 'a.1' });
    assert.equal(again.data.first, false, 'the caller is shown what was never stored');
    assert.deepEqual([(await queue.getJob('a.1'))?.data, (await queue.getJobCounts('wait')).wait], [{ first: true }, 0]);
  });

  it('Q20: ids of whole numbers and with a colon are refused, and some names break the queue', async () => {
    const queue = queueOf();
    for (const id of ['17', 'a:b']) await assert.rejects(queue.add('task', {}, { jobId: id }), /[Cc]ustom [Ii]d/);
    await queue.add('task', {}, { jobId: 'a.1' });
    await assert.rejects(queue.add('task', {}, { jobId: 'wait' }), /WRONGTYPE/);
  });

  it('Q21: addBulk answers the ids in the order sent', async () => {
    const queue = queueOf();
    const added = await queue.addBulk(['a.3', 'a.1', 'a.2', 'a.1'].map((jobId) => ({ name: 'task', data: {}, opts: { jobId } })));
    assert.deepEqual(
      added.map(({ id }) => id),
      ['a.3', 'a.1', 'a.2', 'a.1'],
    );
    assert.equal((await queue.getJobCounts('wait')).wait, 3);
  });

  it('Q23: a task whose hash is gone runs as a ghost, with nothing in it', async () => {
    const queue = queueOf();
    const raw = connection();
    await queue.add('task', { s: 'signed' }, { jobId: 'a.1' });
    await raw.del(`bull:${queue.name}:a.1`);
    const seen: unknown[] = [];
    workerOf(queue, async (job) => void seen.push([job.id, job.data]));
    await until('the ghost', () => seen.length === 1);
    assert.deepEqual(seen, [['a.1', {}]]);
  });

  it('Q24: a field of more than 64 bytes leaves the compact encoding, and the options of an entry hold its id', async () => {
    const queue = queueOf();
    const raw = connection();
    const encoding = async (jobId: string, data: object): Promise<unknown> => {
      await queue.add('task', data, { jobId, attempts: 1 });
      return raw.object('ENCODING', `bull:${queue.name}:${jobId}`);
    };
    assert.equal(await encoding('a.1', { s: 'short' }), 'listpack');
    assert.equal(await encoding('a.2', { s: 'x'.repeat(80) }), 'hashtable');
    assert.equal(await encoding(`a.${'3'.repeat(50)}`, { s: 'short' }), 'hashtable', 'an id as long as ours');
  });

  it('R7: what is kept of ended tasks is bounded by count, evaluated as others end', async () => {
    const queue = queueOf();
    let runs = 0;
    const worker = workerOf(queue, async () => void runs++, { removeOnComplete: { count: 3 } });
    await queue.addBulk(Array.from({ length: 12 }, (_, index) => ({ name: 'task', data: {}, opts: { jobId: `a.${index}` } })));
    await until('all runs', () => runs === 12);
    await worker.close();
    assert.equal((await queue.getJobCounts('completed'))['completed'], 3);
  });
});
