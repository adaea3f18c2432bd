/** F39 in small: random walks whose seed is printed; `npm run test:chaos -- --fault F39 --seed 7 --seconds 60` walks on from any other. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { startTestRedis } from '@millrace/queues/testing';
import { World } from './walk-world.ts';
import { type WalkRedis, walk, walkRedis } from './walks.ts';

let redis: WalkRedis;
before(async () => {
  redis = walkRedis(await startTestRedis());
});
after(async () => {
  await redis.redis.stop();
});

it('F39: whatever is submitted, claimed, lost, committed late, redriven, cancelled and forgotten comes to one end', async (test) => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? 39);
  test.diagnostic(`seed ${seed}`);
  const { steps } = await walk(redis, { seed, walks: 12, steps: 80 });
  test.diagnostic(`${steps} steps`);
  assert.ok(steps > 100, `${steps} steps`);
});

it('F39: a job that had ended is accepted again by a scheduler that was slow, after Redis forgot it: its dead chunk is found dead, and it ends', async () => {
  await redis.flush();
  const world = await World.create(redis.redis);
  const work = async (tasks: number): Promise<void> => {
    await world.round();
    for (let task = 0; task < tasks; task += 1) await world.claim(0, false);
    while (world.attempts.length > 0) await world.complete(world.take(0), true);
  };
  try {
    await world.submit('one', false);
    await work(1);
    await work(2);
    await world.round();
    await world.claim(0, false);
    await world.fail(world.take(0), 'input');
    await work(1);
    assert.deepEqual(world.unended(), []);
    await world.flush(redis);
    await world.sweep();
    await world.submit('one', false);
    assert.deepEqual(world.unended().length, 1, 'its marker is there again');
    assert.equal(await world.heal(), null);
    assert.deepEqual(world.check(), []);
  } finally {
    await world.close();
  }
});
