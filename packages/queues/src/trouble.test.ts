/** Dead letters and error groups as the ledger lists them, chunks held back, and the pace of operations. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chunkId, type JobId } from '@millrace/protocol';
import type { FailureNote, Queues } from './index.ts';
import { dispatchOne, failureOf, opening, openTestQueues, plannedJob, tenRows, testAttemptId, testJob, testLetter } from './testing/fixture.ts';
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

async function fails(jobId: JobId, changes: object = {}): Promise<void> {
  const { chunk, taskId } = await dispatchOne(queues, jobId);
  const attemptId = testAttemptId();
  await queues.ledger.openAttempt(opening(taskId, attemptId));
  const failure = { ...failureOf('transient'), ...changes };
  for (let times = 0; times < 2; times++) await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, failure);
}

describe('error groups', () => {
  test('count each failure once, with first and last seen, the newest samples and places', async () => {
    const jobId = await plannedJob(queues, 'groups', 9);
    for (let second = 1; second < 9; second++) {
      const range = { uri: 'file:///in/a.csv', etag: 'e', start: second * 10, end: second * 10 + 10 };
      await fails(jobId, { endedAt: `2026-11-23T10:00:0${second}.000Z`, range, recordKey: `failures/${second}.json`, message: `m${second}` });
    }
    const [group, ...others] = await queues.ledger.groups(jobId);
    assert.deepEqual(others, []);
    assert.deepEqual([group?.fingerprint, group?.failures, group?.dead, group?.message], ['fp1-1', 8, 0, 'm8']);
    assert.deepEqual([group?.firstSeenAt, group?.lastSeenAt], ['2026-11-23T10:00:01.000Z', '2026-11-23T10:00:08.000Z']);
    assert.deepEqual(
      group?.samples,
      [8, 7, 6, 5, 4].map((n) => `failures/${n}.json`),
    );
    assert.deepEqual(
      group?.places.map(({ start }) => start),
      [80, 70, 60, 50, 40],
    );
    assert.ok((await queues.ledger.troubledJobs()).some((job) => job.jobId === jobId && job.tenant === 'default' && job.name === 'orders'));
  });

  test('know how often they were seen in each of the newest 48 hours', async () => {
    const { jobId } = testJob('hours');
    const { class: failureClass, code } = failureOf('crash');
    const notes = Array.from({ length: 150 }, (_, number): FailureNote => {
      const at = new Date(Date.UTC(2026, 10, 20, Math.floor(number / 3), 30)).toISOString();
      return { attemptId: `h${number}`, fingerprint: 'fp1-h', code, class: failureClass, message: 'm', at, sample: `failures/h${number}`, place: null };
    });
    await queues.ledger.indexTrouble({ jobId, tenant: 'default', name: 'orders' }, notes, []);
    const [group] = await queues.ledger.groups(jobId);
    const hours = Object.entries(group?.activity ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual([group?.failures, hours.length, hours[0], hours.at(-1)], [150, 48, ['2026-11-20T02', 3], ['2026-11-22T01', 3]]);
  });

  test('count open dead letters, which a commit, a redrive and a rebuild take away', async () => {
    const jobId = await plannedJob(queues, 'dead-groups', 3);
    const ids = [0, 1, 2].map((chunk) => chunkId(jobId, 'read', chunk));
    for (const id of ids) for (let times = 0; times < 2; times++) await queues.ledger.markDead(id, 1, testLetter(id, { fingerprint: 'fp1-d' }));
    const dead = async () => (await queues.ledger.groups(jobId)).find(({ fingerprint }) => fingerprint === 'fp1-d')?.dead;
    assert.equal(await dead(), 3);
    await queues.ledger.markCommitted(ids[0] as (typeof ids)[0], 1, tenRows());
    assert.equal(await dead(), 2);
    await queues.ledger.reopen({ ...testJob('dead-groups'), generation: 2 });
    assert.equal(await dead(), 0);
    assert.deepEqual(await queues.ledger.letters(jobId), []);
    await queues.ledger.markDead(ids[1] as (typeof ids)[0], 2, testLetter(ids[1] ?? '', { fingerprint: 'fp1-d' }));
    assert.equal(await dead(), 1);
    await queues.ledger.dropJob(jobId);
    assert.equal(await dead(), 0);
  });

  test('of a job that the ledger does not hold come from the journal, and twice told count once', async () => {
    const { jobId } = testJob('indexed');
    const note = (attemptId: string): FailureNote => {
      const { class: failureClass, code, endedAt: at } = failureOf('crash');
      return { attemptId, fingerprint: 'fp1-i', code, class: failureClass, message: 'm', at, sample: `failures/${attemptId}`, place: null };
    };
    const notes = Array.from({ length: 450 }, (_, number) => note(`a${number}`));
    const letters = Array.from({ length: 2_500 }, (_, chunk) => testLetter(chunkId(jobId, 'read', chunk), { fingerprint: 'fp1-i' }));
    for (let times = 0; times < 2; times++) await queues.ledger.indexTrouble({ jobId, tenant: 'default', name: 'orders' }, notes, letters);
    const [group] = await queues.ledger.groups(jobId);
    assert.deepEqual([group?.failures, group?.dead], [450, 2_500]);
    const scanned: string[] = [];
    for await (const page of queues.ledger.scanLetters(jobId)) scanned.push(...page.map(({ chunkId: id }) => id));
    assert.equal(scanned.length, 2_500);
    assert.equal(new Set(scanned).size, 2_500);
    const asked = await queues.ledger.lettersOf(jobId, [scanned[7] ?? '', `${jobId}.read.9999`]);
    assert.deepEqual([...asked.keys()], [scanned[7]]);
  });
});

describe('a release', () => {
  test('lets so many chunks begin, retries of theirs included, and no more', async () => {
    const jobId = await plannedJob(queues, 'release', 6);
    assert.equal(await queues.ledger.setRelease(jobId, 1, 2), 2);
    assert.deepEqual(
      (await queues.ledger.dispatchable(jobId, 10)).map(({ chunk }) => chunk),
      [0, 1],
    );
    const held = (await queues.ledger.dispatchable(jobId, 10)).at(-1);
    await fails(jobId);
    await dispatchOne(queues, jobId);
    assert.deepEqual(await queues.ledger.dispatchable(jobId, 10), []);
    assert.ok(held);
    const beyond = { ...held, chunkId: chunkId(jobId, 'read', 5), chunk: 5, bytes: 10 };
    assert.equal(await queues.ledger.dispatch(beyond), null, 'also when somebody asks for it by name');
    const [undecided] = (await queues.ledger.undecidedRetries(100)).filter((view) => view.jobId === jobId);
    assert.ok(undecided);
    await queues.ledger.setNextTry(undecided, { mode: 'normal', delayMs: 1 });
    await sleep(5);
    const due = (await queues.ledger.dueRetries(100)).find((view) => view.jobId === jobId);
    assert.ok(due && (await queues.ledger.dispatch(due)) !== null, 'a retry is no beginning');
    assert.deepEqual((await queues.ledger.job(jobId))?.release, { limit: 2, started: 2 });
  });

  test('that is held stands at what has begun, and is lifted', async () => {
    const jobId = await plannedJob(queues, 'hold', 4);
    await queues.ledger.setRelease(jobId, 1, 3);
    await dispatchOne(queues, jobId);
    assert.equal(await queues.ledger.setRelease(jobId, 1, 'hold'), 1);
    assert.deepEqual(await queues.ledger.dispatchable(jobId, 10), []);
    assert.equal(await queues.ledger.setRelease(jobId, 2, null), null, 'not of another generation');
    assert.deepEqual(await queues.ledger.dispatchable(jobId, 10), []);
    assert.equal(await queues.ledger.setRelease(jobId, 1, null), null);
    assert.equal((await queues.ledger.dispatchable(jobId, 10)).length, 3);
  });

  test('knows after a rebuild what had begun', async () => {
    const jobId = await plannedJob(queues, 'restarted', 4);
    await queues.ledger.setRelease(jobId, 1, 2, 2);
    assert.deepEqual(await queues.ledger.dispatchable(jobId, 10), []);
  });
});

test('the bits of outcomes can be read at once', async () => {
  const jobId = await plannedJob(queues, 'bits', 12);
  await queues.ledger.markCommitted(chunkId(jobId, 'read', 9), 1, tenRows());
  await queues.ledger.markDead(chunkId(jobId, 'read', 0), 1, testLetter(chunkId(jobId, 'read', 0)));
  const { committed, dead } = await queues.ledger.outcomeBits(jobId);
  assert.deepEqual([[...committed], [...dead]], [[0, 0b01000000], [0b10000000]]);
});

describe('the pace of an operation', () => {
  test('begins at its base, grows with time, ends at its most, and saves nothing up while it rests', async () => {
    const { operations } = queues;
    const pace = { rate: 200, base: 5, most: 20 };
    assert.equal(await operations.allowance('o1', pace), 5);
    await sleep(30);
    const later = await operations.allowance('o1', pace);
    assert.ok(later > 5 && later <= 20, String(later));
    await sleep(100);
    assert.equal(await operations.allowance('o1', pace), 20);
    await operations.rest('o1');
    assert.equal(await operations.allowance('o1', { ...pace, base: 7 }), 7);
    assert.equal(await operations.allowance('o2', { ...pace, rate: null }), 20);
  });

  test('is known while it is open', async () => {
    await queues.operations.add('o3');
    assert.ok((await queues.operations.open()).includes('o3'));
    await queues.operations.remove('o3');
    assert.ok(!(await queues.operations.open()).includes('o3'));
  });
});
