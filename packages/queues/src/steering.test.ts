/** What people steer and look at besides jobs: queues that are paused, what a pool wants. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type TaskId, workQueueName } from '@millrace/protocol';
import type { Queues } from './index.ts';
import { openTestQueues } from './testing/fixture.ts';
import { startTestRedis, type TestRedis } from './testing/redis.ts';

let redis: TestRedis;
let queues: Queues;
before(async () => {
  redis = await startTestRedis();
  queues = await openTestQueues(redis.url);
});
after(async () => {
  await queues.close();
  await redis.stop();
});

const taskOf = (number: number) => ({ taskId: `j${'0'.repeat(26)}.read.${number}.1.e-1` as TaskId, signature: null });

describe('a queue', () => {
  test('that is paused keeps its tasks and gives none; resumed it goes on', async () => {
    const name = workQueueName('chunk', 'steered', 1);
    assert.deepEqual(await queues.tasks.look(name), { waiting: 0, active: 0, paused: false, oldestEnqueuedAtMs: null });
    for (let twice = 0; twice < 2; twice++) await queues.tasks.setPaused(name, true);
    await queues.tasks.enqueue(name, [taskOf(0), taskOf(1)]);
    const taken: string[] = [];
    const first = Promise.withResolvers<void>();
    const consumer = queues.tasks.consume(name, { concurrency: 1 }, async ({ taskId }) => {
      taken.push(taskId);
      first.resolve();
      return 'acknowledge';
    });
    consumer.start();
    const look = await queues.tasks.look(name);
    assert.deepEqual([look.waiting, look.active, look.paused, taken.length], [2, 0, true, 0]);
    assert.ok((look.oldestEnqueuedAtMs ?? 0) > 1_600_000_000_000);
    await queues.tasks.setPaused(name, false);
    await first.promise;
    assert.equal(taken[0], taskOf(0).taskId);
    await consumer.stop();
  });

  test('is listed when it was named, and its setting is kept', async () => {
    const name = workQueueName('chunk', 'steered', 1);
    await queues.tasks.remember(['intake', name]);
    assert.deepEqual(await queues.tasks.names(), [name, 'intake']);
    const setting = { queue: name, paused: true, maxConcurrency: 3, reason: 'the store is moved', by: 'user:ann', at: '2026-11-23T10:00:00.000Z' };
    await queues.settings.put(setting);
    assert.deepEqual([...(await queues.settings.all())], [[name, setting]]);
  });
});

describe('what a pool wants', () => {
  test('is told with its age; of a pool that nobody speaks of there is nothing', async () => {
    assert.equal(await queues.scaling.read('cpu-a'), null);
    await queues.scaling.post('cpu-a', '{"podsWanted":3}');
    const posted = await queues.scaling.read('cpu-a');
    assert.equal(posted?.text, '{"podsWanted":3}');
    assert.ok(posted !== null && posted.ageMs < 5_000);
    assert.deepEqual(await queues.scaling.pools(), ['cpu-a']);
  });

  test('was this before: the newest twenty', async () => {
    for (let number = 0; number < 25; number++) await queues.scaling.noteDecision('cpu-a', String(number));
    const decisions = await queues.scaling.decisions('cpu-a');
    assert.deepEqual([decisions.length, decisions[0], decisions.at(-1)], [20, '24', '5']);
  });
});

test('events of all jobs are read behind an id, with whose job each is', async () => {
  const jobId = `j${'1'.repeat(26)}` as never;
  const from = await queues.events.lastIdOfAll();
  const id = await queues.events.publish('acme', jobId, { type: 'warning', at: '2026-11-23T10:00:00.000Z', code: 'X', message: 'm' });
  const [event] = await queues.events.eventsOfAll(from, 10);
  assert.deepEqual([event?.tenant, event?.jobId, event?.event.type], ['acme', jobId, 'warning']);
  assert.ok(id !== '' && event !== undefined);
  assert.deepEqual(await queues.events.eventsOfAll(event.event.id, 10), []);
});
