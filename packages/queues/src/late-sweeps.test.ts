import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { jobIdFromKey } from '@millrace/protocol';
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

const sweep = (key: string) => ({ jobId: jobIdFromKey('default', key), generation: 1, tenant: 'default', jobKey: 'jobs/x/job.json', specDigest: 'd1' });

test('a late sweep is due in its time, taken by one, and comes back until it is done', async () => {
  await queues.sweeps.add(sweep('later'), 60_000);
  assert.equal(await queues.sweeps.claim(60_000), null);
  await queues.sweeps.add(sweep('due'), 0);
  await queues.sweeps.add(sweep('due'), 60_000);
  assert.deepEqual(await queues.sweeps.claim(0), sweep('due'));
  assert.deepEqual(await queues.sweeps.claim(60_000), sweep('due'), 'whoever had it was gone');
  assert.equal(await queues.sweeps.claim(60_000), null, 'now somebody has it');
  await queues.sweeps.done(sweep('due'));
  await queues.sweeps.add(sweep('due'), 0);
  assert.deepEqual(await queues.sweeps.claim(60_000), sweep('due'));
});
