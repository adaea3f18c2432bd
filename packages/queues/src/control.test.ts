import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JobEvent, type JobStatus, jobIdFromKey, leaseTimes, newRequestId, parseTaskId, type StatusRequest, zeroBalance } from '@millrace/protocol';
import { AnswerTimeoutError, EpochUnknownError, type Queues } from './index.ts';
import { connectRedis } from './redis.ts';
import { dispatchOne, opening, openTestQueues, plannedJob, quietLog, testTimes } from './testing/fixture.ts';
import { startTestRedis, type TestRedis } from './testing/redis.ts';

let redis: TestRedis;
before(async () => {
  redis = await startTestRedis();
});
after(() => redis.stop());

const jobId = jobIdFromKey('default', 'control');
const source = { nowMs: () => 1, randomBytes: (count: number) => randomBytes(count) };
const question = (): StatusRequest => ({ kind: 'status', requestId: newRequestId(source), tenant: 'default', by: 'test', jobId });
const status = (state: JobStatus['state']): JobStatus => ({
  jobId,
  name: 'n',
  state,
  generation: 1,
  waitingFor: null,
  sealed: true,
  stages: [],
  bytes: { total: 1, done: 0 },
  balance: zeroBalance,
  bytesPerSecond: 0,
  etaSeconds: null,
  failure: null,
  chunks: { total: 0, pending: 0, queued: 0, running: 0, retrying: 0, committed: 0, dead: 0, cancelled: 0 },
});

/** Of what must be renewed within them: no pause of a busy machine is as long. */
const patientTimes = leaseTimes(1 / 6);

async function withQueues(use: (queues: Queues) => Promise<void>, times = testTimes): Promise<void> {
  const queues = await openTestQueues(redis.url, undefined, times);
  try {
    await use(queues);
  } finally {
    await queues.close();
  }
}

describe('a question', () => {
  test('is answered through the intake queue', () =>
    withQueues(async (queues) => {
      const consumer = queues.tasks.consume('intake', { concurrency: 1 }, async (task) => {
        const id = parseTaskId(task.taskId);
        assert.ok(id.kind === 'intake' && task.tenant === 'default' && task.signature === null);
        const asked = await queues.requests.take(task.tenant, id.id);
        assert.ok(asked?.kind === 'status');
        await queues.requests.answer(task.tenant, id.id, { ok: true, kind: 'status', status: status('running') });
        return 'acknowledge';
      });
      consumer.start();
      const answer = await queues.requests.ask(question(), { timeoutMs: 120_000 });
      assert.ok(answer.ok && answer.status.state === 'running');
    }));

  test('without a scheduler times out as unknown, and leaves nothing waiting', () =>
    withQueues(async (queues) => {
      await assert.rejects(queues.requests.ask(question(), { timeoutMs: 100 }), AnswerTimeoutError);
    }));

  test('under another tenant than it names is refused', () =>
    withQueues(async (queues) => {
      const asked = question();
      await queues.requests.send(asked);
      assert.equal(await queues.requests.take('other', asked.requestId), null);
      await assert.rejects(() => queues.requests.take('a:b', asked.requestId), /tenant name/);
    }));
});

describe('live events', () => {
  test('reach a watcher in order, can be resumed, and end with the terminal state', () =>
    withQueues(async (queues) => {
      const at = '2026-11-23T10:00:00.000Z';
      await queues.events.publish('default', jobId, { type: 'state', at, status: status('planning') });
      const seen: JobEvent[] = [];
      const watching = (async () => {
        for await (const event of queues.events.watch('default', jobId, { after: '0-0' })) seen.push(event);
      })();
      await queues.events.publish('default', jobId, { type: 'progress', at, status: status('running') });
      await queues.events.publish('default', jobId, { type: 'state', at, status: status('completed') });
      await watching;
      assert.deepEqual(
        seen.map((event) => ('status' in event ? event.status.state : '')),
        ['planning', 'running', 'completed'],
      );
      const later: JobEvent[] = [];
      for await (const event of queues.events.watch('default', jobId, { after: seen[0]?.id ?? '' })) later.push(event);
      assert.equal(later.length, 2);
      await queues.events.writeStatus('default', status('completed'));
      assert.equal((await queues.events.status('default', jobId))?.state, 'completed');
    }));

  test('stop for a watcher that gives up', () =>
    withQueues(async (queues) => {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 50);
      for await (const _ of queues.events.watch('default', jobIdFromKey('default', 'silent'), { signal: stop.signal })) assert.fail('nothing happens');
    }));

  test('carry nudges to the leader', () =>
    withQueues(async (queues) => {
      const nudged = Promise.withResolvers<string>();
      const stop = await queues.events.onNudge((id) => nudged.resolve(id));
      await queues.events.nudgeLeader(jobId);
      assert.equal(await nudged.promise, jobId);
      stop();
    }));
});

describe('workers', () => {
  test('are listed while they beat', () =>
    withQueues(async (queues) => {
      const view = {
        worker: 'w-1',
        pool: 'default',
        resultVersion: 1,
        coreVersion: '0.1.0',
        slots: 2,
        busy: 1,
        draining: false,
        pod: null,
        node: 'here',
        pid: 1,
      };
      await queues.workers.beat(view);
      await queues.workers.beat({ ...view, worker: 'w-2', draining: true });
      assert.deepEqual(
        (await queues.workers.list()).map((one) => one.worker),
        ['w-1', 'w-2'],
      );
      assert.equal(await queues.workers.slots('default', 1), 2, 'a draining host takes nothing more');
      assert.equal(await queues.workers.slots('default', 2), 0);
      assert.deepEqual(await queues.workers.beat(view), { drain: false });
      assert.equal(await queues.workers.askToDrain(view.worker), true);
      assert.equal(await queues.workers.askToDrain('w-9'), false, 'there is no such host');
      assert.deepEqual(await queues.workers.beat(view), { drain: true });
      assert.deepEqual(await queues.workers.beat({ ...view, pid: view.pid + 1 }), { drain: false }, 'another process under the same name was not asked');
      await queues.workers.remove('w-2');
      await sleep(patientTimes.workerEntryMs + 100);
      assert.deepEqual(await queues.workers.list(), []);
    }, patientTimes));
});

describe('leadership', () => {
  test('is held by one, and passes on when it is given back or not renewed', () =>
    withQueues(async (queues) => {
      const first = await queues.leader.compete('s-1');
      const second = await queues.leader.compete('s-2');
      assert.deepEqual([first.isLeader(), second.isLeader(), await queues.leader.holder()], [true, false, 's-1']);
      await sleep(patientTimes.leaderLeaseMs * 1.5);
      assert.deepEqual([first.isLeader(), second.isLeader()], [true, false], 'renewals keep it');
      await first.stop();
      for (const startMs = performance.now(); !second.isLeader() && performance.now() - startMs < 120_000; ) await sleep(20);
      assert.deepEqual([first.isLeader(), second.isLeader()], [false, true]);
      await second.stop();
      assert.equal(await queues.leader.holder(), null);
    }, patientTimes));
});

describe('the sentinel', () => {
  test('finds a loss; the new epoch hides what the old one wrote', () =>
    withQueues(async (queues) => {
      const id = await plannedJob(queues, 'lost', 1);
      const { taskId } = await dispatchOne(queues, id);
      assert.equal(await queues.sentinel.examine(), 'normal');
      await queues.sentinel.beat();
      const raw = await connectRedis({ address: redis.url, passwordFile: null }, 'service', testTimes, quietLog);
      await raw.flushall();
      raw.disconnect();
      assert.equal(await queues.sentinel.examine(), 'lost');
      await assert.rejects(queues.ledger.openJobs(), EpochUnknownError, 'an empty Redis is not "no work"');
      assert.deepEqual(await queues.ledger.openAttempt(opening(taskId)), { refused: 'rebuilding' });
      const epoch = await queues.sentinel.begin();
      assert.equal(await queues.ledger.epoch(), epoch);
      assert.deepEqual(await queues.ledger.openAttempt(opening(taskId)), { refused: 'old-task' });
      assert.deepEqual(await queues.ledger.openJobs(), []);
    }));

  test('two schedulers that find a loss begin one epoch', () =>
    withQueues(async (queues) => {
      const other = await openTestQueues(redis.url, 'both:{m}');
      const third = await openTestQueues(redis.url, 'both:{m}');
      const raw = await connectRedis({ address: redis.url, passwordFile: null }, 'service', testTimes, quietLog);
      await raw.del('both:{m}:sentinel');
      const epochs = await Promise.all([other.sentinel.begin(), third.sentinel.begin()]);
      const now = await queues.sentinel.read();
      assert.ok(now);
      assert.equal(await other.ledger.epoch(), await third.ledger.epoch());
      assert.ok(epochs.includes(await other.ledger.epoch()));
      raw.disconnect();
      await other.close();
      await third.close();
    }));

  test('takes a lower beat for a rollback, and another server too', () =>
    withQueues(async (queues) => {
      await queues.sentinel.examine();
      await queues.sentinel.beat();
      await queues.sentinel.beat();
      assert.equal(await queues.sentinel.examine(), 'normal');
      const own = await startTestRedis(['--save', '3600 1000000']);
      const others = await openTestQueues(own.url, 'p:{m}');
      assert.equal(await others.sentinel.examine(), 'normal');
      const raw = await connectRedis({ address: own.url, passwordFile: null }, 'service', testTimes, quietLog);
      await raw.save();
      await others.sentinel.beat();
      await others.sentinel.examine();
      await raw.hset('p:{m}:sentinel', 'beat', '0');
      assert.equal(await others.sentinel.examine(), 'rollback');
      raw.disconnect();
      await own.restart();
      let finding = '';
      for (const startMs = performance.now(); finding !== 'rollback' && performance.now() - startMs < 120_000; ) finding = await others.sentinel.examine();
      assert.equal(finding, 'rollback', 'the data came back, the run id is another');
      const old = await others.ledger.epoch();
      assert.notEqual(await others.sentinel.begin(), old);
      assert.equal(await others.sentinel.examine(), 'normal');
      await others.close();
      await own.stop();
    }));
});
