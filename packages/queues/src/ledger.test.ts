import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chunkId, parseTaskId } from '@millrace/protocol';
import type { Queues } from './index.ts';
import { dispatched, dispatchOne, failureOf, opening, openTestQueues, plannedJob, tenRows, testAttemptId, testJob, testLetter } from './testing/fixture.ts';
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

async function jobOf(id: Parameters<Queues['ledger']['job']>[0]) {
  const job = await queues.ledger.job(id);
  assert.ok(job);
  return job;
}

/** Everything the ledger knows of a job, for comparing before and after a repeated call. */
async function everything(id: Parameters<Queues['ledger']['job']>[0]) {
  const { revision: _, ...job } = await jobOf(id);
  const chunks = (await queues.ledger.liveChunks(id)).map(({ ageMs: _age, ...chunk }) => chunk);
  return { job, chunks, rejects: await queues.ledger.rejects(id), letters: await queues.ledger.letters(id), late: await queues.ledger.lateRecords(id) };
}

/** Runs a verb twice, as after a lost reply, and expects the second run to change nothing and to answer the same. */
async function twice<Answer>(id: Parameters<Queues['ledger']['job']>[0], verb: () => Promise<Answer>): Promise<Answer> {
  const first = await verb();
  const known = await everything(id);
  assert.deepEqual(await verb(), first, 'the second answer differs');
  assert.deepEqual(await everything(id), known, 'the second call changed the ledger');
  return first;
}

describe('a job', () => {
  test('is created once', async () => {
    const job = testJob('created-once');
    assert.equal(await queues.ledger.createJob(job), true);
    assert.equal(await queues.ledger.createJob({ ...job, name: 'other' }), false);
    const view = await jobOf(job.jobId);
    assert.equal(view.name, 'orders');
    assert.equal(view.maxConcurrency, null);
    assert.ok((await queues.ledger.openJobs()).includes(job.jobId));
  });

  test('counts segments by number, whatever the order and however often they are told', async () => {
    const { jobId } = testJob('segments');
    await queues.ledger.createJob(testJob('segments'));
    const segment = (number: number) => ({ segment: number, key: `plan/${number}`, digest: 'd', stage: 'read', ranges: [[number * 3, 3]] as const, bytes: 30 });
    await twice(jobId, () => queues.ledger.recordSegment(jobId, 1, segment(1)));
    await twice(jobId, () => queues.ledger.recordSegment(jobId, 1, segment(0)));
    await twice(jobId, () => queues.ledger.sealPlan(jobId, 1, { segments: 2, chunks: 6, bytes: 60 }));
    const job = await jobOf(jobId);
    assert.deepEqual([job.chunks.total, job.chunks.pending, job.bytesPlanned, job.segments, job.sealedSegments, job.state], [6, 6, 60, 2, 2, 'running']);
  });

  test('takes no segment of another generation', async () => {
    const jobId = await plannedJob(queues, 'old-segment', 1);
    await queues.ledger.recordSegment(jobId, 2, { segment: 1, key: 'k', digest: 'd', stage: 'read', ranges: [[1, 1]], bytes: 1 });
    assert.equal((await jobOf(jobId)).segments, 1);
  });

  test('moves only from the states named', async () => {
    const jobId = await plannedJob(queues, 'moves', 1);
    assert.equal(await queues.ledger.setState(jobId, 1, ['finishing'], 'completed'), false);
    assert.equal(await twice(jobId, () => queues.ledger.setState(jobId, 1, ['running'], 'finishing')), true);
    assert.equal(await queues.ledger.setState(jobId, 2, ['finishing'], 'running'), false);
  });

  test('keeps the first decision about its end', async () => {
    const jobId = await plannedJob(queues, 'end', 1);
    await twice(jobId, () => queues.ledger.setEnd(jobId, 1, { state: 'failed', code: 'A', message: 'a' }));
    await queues.ledger.setEnd(jobId, 1, { state: 'cancelled', code: 'B', message: 'b' });
    assert.deepEqual((await jobOf(jobId)).end, { state: 'failed', code: 'A', message: 'a' });
    assert.deepEqual(await queues.ledger.dispatchable(jobId, 5), [], 'nothing runs any more');
  });
});

describe('dispatch', () => {
  test('hands out each chunk once, in order, and passes what is done', async () => {
    const jobId = await plannedJob(queues, 'in-order', 5);
    await queues.ledger.markCommitted(chunkId(jobId, 'read', 1), 1, tenRows());
    const found = await queues.ledger.dispatchable(jobId, 10);
    assert.deepEqual(
      found.map((chunk) => chunk.chunk),
      [0, 2, 3, 4],
    );
    for (const chunk of found.slice(0, 2)) await dispatched(queues, chunk);
    assert.deepEqual(
      (await queues.ledger.dispatchable(jobId, 10)).map((chunk) => chunk.chunk),
      [3, 4],
    );
    assert.deepEqual(
      (await queues.ledger.dispatchable(jobId, 1)).map((chunk) => chunk.chunk),
      [3],
    );
  });

  test('finds the chunks of scattered ranges, beyond one look of a thousand', async () => {
    const job = testJob('ranges');
    await queues.ledger.createJob(job);
    const ranges = [
      [5, 1],
      [9, 2],
      [2_000, 1_500],
    ] as const;
    await queues.ledger.recordSegment(job.jobId, 1, { segment: 0, key: 'k', digest: 'd', stage: 'read', ranges, bytes: 1 });
    const seen: number[] = [];
    for (;;) {
      const found = await queues.ledger.dispatchable(job.jobId, 400);
      if (found.length === 0) break;
      for (const chunk of found) {
        seen.push(chunk.chunk);
        await queues.ledger.markCommitted(chunk.chunkId, 1, null);
      }
    }
    assert.deepEqual(seen, [5, 9, 10, ...Array.from({ length: 1_500 }, (_, index) => 2_000 + index)]);
  });

  test('answers the same number to a repeated call and never uses one again', async () => {
    const jobId = await plannedJob(queues, 'numbers', 1);
    const numbers: number[] = [];
    for (let round = 0; round < 4; round++) {
      const [chunk] = await queues.ledger.dispatchable(jobId, 1);
      assert.ok(chunk);
      const number = await twice(jobId, () => queues.ledger.dispatch({ ...chunk, bytes: 10 }));
      assert.ok(number !== null);
      numbers.push(number);
      const taskId = `${chunk.chunkId}.1.${await queues.ledger.epoch()}-${number}` as never;
      const attemptId = testAttemptId();
      await queues.ledger.openAttempt(opening(taskId, attemptId));
      await queues.ledger.releaseAttempt(chunk.chunkId, 1, attemptId);
    }
    assert.deepEqual(numbers, [1, 2, 3, 4]);
  });

  test('of many at once decides for each as if it had come alone', async () => {
    const jobId = await plannedJob(queues, 'many-at-once', 8, { maxConcurrency: 5 });
    const found = (await queues.ledger.dispatchable(jobId, 8)).map((chunk) => ({ ...chunk, bytes: 10 }));
    await queues.ledger.markCommitted(chunkId(jobId, 'read', 1), 1, null);
    await queues.ledger.markDead(chunkId(jobId, 'read', 2), 1, null);
    const [first] = found;
    assert.ok(first);
    const asked = [...found.slice(0, 4), first, { ...first, number: 7 }, ...found.slice(4)];
    // Committed and dead ones may not run, the same one twice has one number, a number that never was is refused, and five at once are enough.
    assert.deepEqual(await queues.ledger.dispatchAll(asked), [1, null, null, 1, 1, null, 1, 1, 1, null]);
    const { chunks, flightBytes } = await jobOf(jobId);
    assert.deepEqual([chunks.queued, flightBytes], [5, 50]);
    const epoch = await queues.ledger.epoch();
    const openings = [0, 3, 4].map((chunk) => opening(`${jobId}.read.${chunk}.1.${epoch}-${chunk === 3 ? 2 : 1}` as never));
    const opened = await Promise.all(openings.map((one) => queues.ledger.openAttempt(one)));
    assert.deepEqual(
      opened.map((answer) => ('go' in answer ? answer.go.chunk : answer.refused)),
      [0, 'old-task', 4],
    );
    await Promise.all([0, 4, 4, 5].map((chunk) => queues.ledger.markCommitted(chunkId(jobId, 'read', chunk), 1, tenRows())));
    const after = await jobOf(jobId);
    assert.deepEqual([after.chunks.committed, after.chunks.queued, after.chunks.running, after.flightBytes], [4, 2, 0, 20]);
    assert.deepEqual([after.sums.recordsIn, after.sums.rejected, after.uncounted], [30, 3, 1]);
  });

  test('gives a lost task the next number, once', async () => {
    const jobId = await plannedJob(queues, 'requeue', 1);
    const { chunk } = await dispatchOne(queues, jobId);
    const again = { ...chunk, number: 1, bytes: 10 };
    assert.equal(await queues.ledger.dispatch(again, { requeue: true }), 2);
    assert.equal(await queues.ledger.dispatch(again, { requeue: true }), null, 'another sweeper already did');
    assert.equal(await queues.ledger.dispatch(again), 2, 'a repeated ordinary call hears the number');
  });

  test('two schedulers that dispatch one chunk get one number', async () => {
    const jobId = await plannedJob(queues, 'two', 1);
    const [chunk] = await queues.ledger.dispatchable(jobId, 1);
    assert.ok(chunk);
    const both = await Promise.all([queues.ledger.dispatch({ ...chunk, bytes: 1 }), queues.ledger.dispatch({ ...chunk, bytes: 1 })]);
    assert.deepEqual(both, [1, 1]);
    assert.equal((await jobOf(jobId)).chunks.queued, 1);
  });

  test('obeys the concurrency of the job', async () => {
    const jobId = await plannedJob(queues, 'concurrency', 3, { maxConcurrency: 2 });
    const found = await queues.ledger.dispatchable(jobId, 3);
    const numbers = [];
    for (const chunk of found) numbers.push(await queues.ledger.dispatch({ ...chunk, bytes: 1 }));
    assert.deepEqual(numbers, [1, 1, null]);
  });

  test('stops while the job is paused and goes on when it is resumed; a command counts once', async () => {
    const jobId = await plannedJob(queues, 'paused', 2);
    await twice(jobId, () => queues.ledger.applyFlags(jobId, 1, 0, { paused: true }));
    assert.deepEqual(await queues.ledger.dispatchable(jobId, 2), []);
    await queues.ledger.applyFlags(jobId, 1, 1, { paused: false });
    await queues.ledger.applyFlags(jobId, 1, 0, { paused: true });
    assert.equal((await queues.ledger.dispatchable(jobId, 2)).length, 2);
  });
});

describe('an attempt', () => {
  test('opens with orders, and the same way again after a lost reply', async () => {
    const jobId = await plannedJob(queues, 'opens', 1);
    const { taskId } = await dispatchOne(queues, jobId);
    const open = opening(taskId);
    const answer = await twice(jobId, () => queues.ledger.openAttempt(open));
    assert.ok('go' in answer);
    const { go } = answer;
    assert.deepEqual(
      [go.jobId, go.chunk, go.segmentKey, go.segmentDigest, go.bytes, go.mode, go.previous, go.jobKey, go.specDigest, go.tenant],
      [jobId, 0, 'plan/0', 's0', 10, 'normal', null, 'jobs/x/job.json', 'd1', 'default'],
    );
  });

  const refusals: [string, (jobId: Parameters<Queues['ledger']['job']>[0]) => Promise<unknown>, string][] = [
    ['cancelled', (id) => queues.ledger.applyFlags(id, 1, 0, { cancelled: true }), 'pending'],
    ['paused', (id) => queues.ledger.applyFlags(id, 1, 0, { paused: true }), 'pending'],
    ['ended', (id) => queues.ledger.setEnd(id, 1, { state: 'failed', code: 'A', message: 'a' }), 'pending'],
    ['has-outcome', (id) => queues.ledger.markCommitted(chunkId(id, 'read', 0), 1, null), 'committed'],
  ];
  for (const [reason, make, state] of refusals) {
    test(`is refused as ${reason}, and the chunk is ${state}`, async () => {
      const jobId = await plannedJob(queues, `refused-${reason}`, 1);
      const { taskId } = await dispatchOne(queues, jobId);
      await make(jobId);
      assert.deepEqual(await queues.ledger.openAttempt(opening(taskId)), { refused: reason });
      const { chunks } = await jobOf(jobId);
      assert.deepEqual([chunks.queued, chunks.running, chunks[state as 'pending' | 'committed']], [0, 0, 1]);
    });
  }

  test('is refused for another result version, an older dispatch, generation or epoch, an unknown job', async () => {
    const jobId = await plannedJob(queues, 'refusals', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    assert.deepEqual(await queues.ledger.openAttempt({ ...opening(taskId), resultVersion: 2 }), { refused: 'result-version' });
    const { taskId: later } = await dispatchOne(queues, jobId);
    assert.deepEqual(await queues.ledger.openAttempt(opening(taskId)), { refused: 'old-task' });
    assert.deepEqual(await queues.ledger.openAttempt(opening(later.replace('.1.', '.2.') as never)), { refused: 'old-generation' });
    const other = `${chunk.chunkId}.1.ffff-1` as never;
    assert.deepEqual(await queues.ledger.openAttempt(opening(other)), { refused: 'old-task' });
    const unknown = later.replace(jobId, testJob('never-made').jobId) as never;
    assert.deepEqual(await queues.ledger.openAttempt(opening(unknown)), { refused: 'unknown-job' });
    assert.ok('go' in (await queues.ledger.openAttempt(opening(later))));
  });

  test('that a rescue replaces is kept as lost until its record stands', async () => {
    const jobId = await plannedJob(queues, 'rescue', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const first = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, first, 'w-dead'));
    await queues.ledger.progress(chunk.chunkId, first, { bytesDone: 7, recordsDone: 3 });
    const second = opening(taskId, testAttemptId(), 'w-2');
    const answer = await twice(jobId, () => queues.ledger.openAttempt(second));
    assert.ok('go' in answer && answer.go.previous);
    assert.deepEqual(
      [answer.go.previous.attemptId, answer.go.previous.worker, answer.go.previous.bytesDone, answer.go.previous.recordsDone],
      [first, 'w-dead', 7, 3],
    );
    assert.equal((await queues.ledger.chunk(chunk.chunkId))?.past.lost, 1);
    assert.equal((await queues.ledger.lateRecords(jobId)).length, 1);
    assert.equal((await queues.ledger.progress(chunk.chunkId, first, { bytesDone: 9, recordsDone: 9 })).current, false, 'the old host is told to stop');
    await queues.ledger.failAttempt(chunk.chunkId, 1, first, failureOf('lost', 'lost'));
    assert.deepEqual(await queues.ledger.lateRecords(jobId), []);
    assert.equal((await queues.ledger.chunk(chunk.chunkId))?.state, 'running', 'the new attempt goes on');
    assert.equal((await queues.ledger.chunk(chunk.chunkId))?.past.lost, 1, 'the loss counts once');
  });

  test('bisects after six losses without anybody deciding it', async () => {
    const jobId = await plannedJob(queues, 'six-losses', 1);
    const { taskId } = await dispatchOne(queues, jobId);
    const modes = [];
    for (let loss = 0; loss < 7; loss++) {
      const answer = await queues.ledger.openAttempt(opening(taskId));
      modes.push('go' in answer ? answer.go.mode : answer.refused);
    }
    assert.deepEqual(modes, ['normal', 'normal', 'normal', 'normal', 'normal', 'normal', 'bisect']);
  });

  test('hears of a cancel with its progress', async () => {
    const jobId = await plannedJob(queues, 'hears', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    const none = { bytesDone: 0, recordsDone: 0 };
    assert.deepEqual(await queues.ledger.progress(chunk.chunkId, attemptId, none), { current: true, cancelled: false, paused: false });
    await queues.ledger.applyFlags(jobId, 1, 0, { cancelled: true });
    assert.deepEqual(await queues.ledger.progress(chunk.chunkId, attemptId, none), { current: true, cancelled: true, paused: false });
  });
});

describe('a commit', () => {
  test('counts once, whoever marks it and however often (I2)', async () => {
    const jobId = await plannedJob(queues, 'marks', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    await twice(jobId, () => queues.ledger.markCommitted(chunk.chunkId, 1, tenRows(2)));
    await twice(jobId, () => queues.ledger.markCommitted(chunk.chunkId, 1, tenRows(2)));
    const job = await jobOf(jobId);
    assert.deepEqual(
      [job.chunks.committed, job.chunks.running, job.sums.recordsIn, job.sums.emitted, job.sums.rejected, job.sums.bytesOut],
      [1, 0, 10, 8, 2, 50],
    );
    assert.deepEqual(JSON.parse(JSON.stringify(await queues.ledger.rejects(jobId))), {
      byCode: { TYPE_NUMBER: 2 },
      byColumn: { amount: { TYPE_NUMBER: 2 } },
      byFile: { '0': { recordsIn: 10, rejected: 2 } },
    });
    assert.deepEqual(await queues.ledger.liveChunks(jobId), [], 'a committed chunk has no key');
  });

  test('outranks a failure that came first, a retry that is due and a dead letter', async () => {
    const jobId = await plannedJob(queues, 'outranks', 2);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, failureOf('transient'));
    await queues.ledger.markCommitted(chunk.chunkId, 1, tenRows());
    assert.deepEqual(
      (await queues.ledger.undecidedRetries(10)).filter((view) => view.jobId === jobId),
      [],
    );
    const other = chunkId(jobId, 'read', 1);
    const letter = testLetter(other);
    await twice(jobId, () => queues.ledger.markDead(other, 1, letter));
    assert.deepEqual((await jobOf(jobId)).deadLetters, { count: 1, bytes: 10 });
    await queues.ledger.markCommitted(other, 1, tenRows());
    const job = await jobOf(jobId);
    assert.deepEqual([job.chunks.committed, job.chunks.dead, job.chunks.retrying, job.deadLetters], [2, 0, 0, { count: 0, bytes: 0 }]);
    assert.equal(await queues.ledger.markDead(other, 1, letter), false, 'a committed chunk does not die');
  });

  test('known by name gets its sums later', async () => {
    const jobId = await plannedJob(queues, 'by-name', 3);
    await twice(jobId, () => queues.ledger.setOutcomes(jobId, 1, 'read', [0, 2]));
    assert.deepEqual([(await jobOf(jobId)).uncounted, (await jobOf(jobId)).chunks.committed], [2, 2]);
    await twice(jobId, () => queues.ledger.markCommitted(chunkId(jobId, 'read', 0), 1, tenRows()));
    assert.deepEqual([(await jobOf(jobId)).uncounted, (await jobOf(jobId)).sums.recordsIn], [1, 10]);
  });
});

test('which chunks have rejects is known, each counted once, and of a job that is dropped nothing is left', async () => {
  const jobId = await plannedJob(queues, 'rejected', 3);
  for (const [chunk, rejected] of [
    [0, 4],
    [1, 0],
    [2, 2],
  ] as const) {
    await twice(jobId, () => queues.ledger.markCommitted(chunkId(jobId, 'read', chunk), 1, tenRows(rejected)));
  }
  assert.deepEqual(await queues.ledger.rejectedChunks(jobId), {
    byChunk: new Map([
      [0, 4],
      [2, 2],
    ]),
    all: true,
  });
  await queues.ledger.dropJob(jobId);
  assert.deepEqual(await queues.ledger.rejectedChunks(jobId), { byChunk: new Map(), all: true });
});

describe('a failure', () => {
  test('is undecided, then due by the clock of Redis, then runs with the next number', async () => {
    const jobId = await plannedJob(queues, 'fails', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    assert.equal(await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, failureOf('transient')), true);
    const known = await everything(jobId);
    assert.equal(await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, failureOf('transient')), false, 'it counts once');
    assert.deepEqual(await everything(jobId), known);
    const [undecided] = (await queues.ledger.undecidedRetries(100)).filter((view) => view.jobId === jobId);
    assert.ok(undecided);
    assert.deepEqual([undecided.past.transient, undecided.last?.code, undecided.attempt], [1, 'X', null]);
    assert.equal(await queues.ledger.setNextTry(undecided, { mode: 'less', delayMs: 1_500 }), true);
    assert.equal(await queues.ledger.setNextTry(undecided, { mode: 'bisect', delayMs: 1 }), false, 'the first decision stands');
    assert.equal(
      (await queues.ledger.dueRetries(100)).some((view) => view.jobId === jobId),
      false,
    );
    assert.equal(await queues.ledger.dispatch({ ...undecided }), null, 'not before its time');
    let due = undefined as typeof undecided | undefined;
    for (let waited = 0; !due && waited < 120_000; waited += 20) {
      await sleep(20);
      due = (await queues.ledger.dueRetries(100)).find((view) => view.jobId === jobId);
    }
    assert.ok(due);
    const later = await dispatched(queues, due);
    assert.equal(parseTaskId(later).kind === 'chunk' && later.endsWith('-2'), true);
    const answer = await queues.ledger.openAttempt(opening(later));
    assert.ok('go' in answer);
    assert.equal(answer.go.mode, 'less');
  });

  test('whose wait somebody ends is due at once, but not before the wait is decided', async () => {
    const jobId = await plannedJob(queues, 'retry-now', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    const view = async () => (await queues.ledger.chunk(chunk.chunkId)) ?? assert.fail('the chunk has no key');
    assert.equal(await queues.ledger.retryNow(await view()), 'no', 'it runs');
    await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, failureOf('transient'));
    assert.equal(await queues.ledger.retryNow(await view()), 'undecided');
    assert.deepEqual(await queues.ledger.nextTries([chunk.chunkId]), new Map());
    await queues.ledger.setNextTry(await view(), { mode: 'normal', delayMs: 3_600_000 });
    const waits = (await queues.ledger.nextTries([chunk.chunkId])).get(chunk.chunkId) ?? assert.fail('it has no due time');
    assert.equal(await twice(jobId, async () => queues.ledger.retryNow(await view())), 'done');
    const due = (await queues.ledger.nextTries([chunk.chunkId])).get(chunk.chunkId) ?? assert.fail('it has no due time');
    assert.ok(waits - due > 3_500_000, `${waits} became ${due}`);
    const [now] = (await queues.ledger.dueRetries(100)).filter((found) => found.jobId === jobId);
    assert.ok(now && (await queues.ledger.dispatch(now)) !== null);
  });

  test('whose record storage did not take keeps it until somebody puts it', async () => {
    const jobId = await plannedJob(queues, 'late-record', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, { ...failureOf('transient'), record: '{"a":1}' });
    await queues.ledger.markCommitted(chunk.chunkId, 1, null);
    const [late] = await queues.ledger.lateRecords(jobId);
    assert.deepEqual(late, { kind: 'record', key: 'failures/x.json', record: '{"a":1}' });
    if (late) await queues.ledger.forgetLate(jobId, late);
    assert.deepEqual(await queues.ledger.lateRecords(jobId), []);
  });

  test('flagged dying stays so until it is dead', async () => {
    const jobId = await plannedJob(queues, 'dying', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, failureOf('input'));
    const [view] = (await queues.ledger.undecidedRetries(100)).filter((found) => found.jobId === jobId);
    assert.ok(view);
    await twice(jobId, () => queues.ledger.flagDying(view, 'retrying cannot cure it'));
    assert.equal(
      (await queues.ledger.dyingChunks(100)).some((found) => found.chunkId === chunk.chunkId),
      true,
    );
    assert.equal(await queues.ledger.setNextTry(view, { mode: 'normal', delayMs: 1 }), false);
    const letter = testLetter(chunk.chunkId);
    await twice(jobId, () => queues.ledger.markDead(chunk.chunkId, 1, letter));
    assert.equal(
      (await queues.ledger.dyingChunks(100)).some((found) => found.jobId === jobId),
      false,
    );
    assert.deepEqual([(await jobOf(jobId)).chunks.dead, (await jobOf(jobId)).chunks.retrying], [1, 0]);
  });

  test('of a released attempt costs nothing', async () => {
    const jobId = await plannedJob(queues, 'released', 1);
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    assert.equal(await queues.ledger.releaseAttempt(chunk.chunkId, 1, attemptId), true);
    assert.equal(await queues.ledger.releaseAttempt(chunk.chunkId, 1, attemptId), false);
    const view = await queues.ledger.chunk(chunk.chunkId);
    assert.deepEqual([view?.state, view?.past.transient, view?.past.lost, (await jobOf(jobId)).chunks.pending], ['pending', 0, 0, 1]);
  });
});

describe('work', () => {
  test('runs, closes and may be asked for again with the next number', async () => {
    const job = testJob('work');
    await queues.ledger.createJob(job);
    const numbers: string[] = [];
    for (let round = 0; round < 2; round++) {
      await twice(job.jobId, () => queues.ledger.addWork(job.jobId, 1, { kind: 'plan', first: 0 }));
      const { chunk, taskId } = await dispatchOne(queues, job.jobId);
      numbers.push(taskId.slice(taskId.lastIndexOf('-') + 1));
      const open = opening(taskId);
      const answer = await twice(job.jobId, () => queues.ledger.openWork(open));
      assert.ok('go' in answer);
      assert.deepEqual([answer.go.kind, answer.go.first, answer.go.end, answer.go.unplannable], ['plan', 0, null, []]);
      await queues.ledger.closeWork(chunk.chunkId, 1);
      assert.equal((await jobOf(job.jobId)).openWork, 0);
    }
    assert.deepEqual(numbers, ['1', '2']);
    assert.equal((await jobOf(job.jobId)).state, 'planning');
  });

  test('that plans is told which files are dead letters already', async () => {
    const job = testJob('unplannable');
    await queues.ledger.createJob(job);
    const file = chunkId(job.jobId, 'plan', 3);
    await queues.ledger.markDead(file, 1, testLetter(file, { bytes: 5 }));
    await queues.ledger.addWork(job.jobId, 1, { kind: 'plan', first: 4 });
    const { taskId } = await dispatchOne(queues, job.jobId);
    const answer = await queues.ledger.openWork(opening(taskId));
    assert.ok('go' in answer);
    assert.deepEqual([answer.go.first, answer.go.unplannable], [4, [3]]);
  });

  test('to finish needs the state finishing, is told the end, and ends the job', async () => {
    const jobId = await plannedJob(queues, 'finish', 1);
    assert.equal(await queues.ledger.addWork(jobId, 1, { kind: 'finish' }), false);
    await queues.ledger.setEnd(jobId, 1, { state: 'failed', code: 'BUDGET', message: 'too many' });
    await queues.ledger.setState(jobId, 1, ['running'], 'finishing');
    await queues.ledger.addWork(jobId, 1, { kind: 'finish' });
    const { taskId } = await dispatchOne(queues, jobId);
    const answer = await queues.ledger.openWork(opening(taskId));
    assert.ok('go' in answer);
    assert.deepEqual(answer.go.end, { state: 'failed', code: 'BUDGET', message: 'too many' });
    const failure = { code: 'BUDGET', message: 'too many' };
    assert.equal(await queues.ledger.finishReported(jobId, 1, { state: 'failed', failure, manifestKey: 'manifests/000001.json' }), true);
    assert.equal(
      await queues.ledger.finishReported(jobId, 1, { state: 'completed', failure: null, manifestKey: 'other' }),
      false,
      'a late finisher changes nothing',
    );
    const job = await jobOf(jobId);
    assert.deepEqual([job.state, job.failure, job.manifestKey], ['failed', failure, 'manifests/000001.json']);
    assert.equal((await queues.ledger.openJobs()).includes(jobId), false);
  });

  test('that finds the journal incomplete sends the job back to running', async () => {
    const jobId = await plannedJob(queues, 'not-ready', 1);
    await queues.ledger.setState(jobId, 1, ['running'], 'finishing');
    await queues.ledger.addWork(jobId, 1, { kind: 'finish' });
    await queues.ledger.finishReported(jobId, 1, { state: 'notReady', missing: [chunkId(jobId, 'read', 0)] });
    const job = await jobOf(jobId);
    assert.deepEqual([job.state, job.recheck, job.openWork], ['running', true, 0]);
  });
});

describe('a later generation', () => {
  test('keeps receipts and their sums and starts everything else anew', async () => {
    const jobId = await plannedJob(queues, 'reopen', 3);
    await queues.ledger.markCommitted(chunkId(jobId, 'read', 0), 1, tenRows());
    const dead = chunkId(jobId, 'read', 1);
    await queues.ledger.markDead(dead, 1, testLetter(dead));
    const { chunk, taskId } = await dispatchOne(queues, jobId);
    const attemptId = testAttemptId();
    await queues.ledger.openAttempt(opening(taskId, attemptId));
    await queues.ledger.setState(jobId, 1, ['running'], 'finishing');
    await queues.ledger.finishReported(jobId, 1, { state: 'failed', failure: { code: 'A', message: 'a' }, manifestKey: 'm' });

    const next = testJob('reopen', { generation: 2, state: 'running', specDigest: 'd2' });
    await twice(jobId, () => queues.ledger.reopen(next, { rebuilding: true }).then(() => null));
    assert.deepEqual(await queues.ledger.openAttempt(opening(taskId)), { refused: 'rebuilding' });
    await queues.ledger.recordSegment(jobId, 2, { segment: 0, key: 'plan/2/0', digest: 's2', stage: 'read', ranges: [[1, 2]], bytes: 20 }, false);
    await queues.ledger.sealPlan(jobId, 2, { segments: 1, chunks: 2, bytes: 20 });
    await queues.ledger.setReady(jobId, 2);
    const job = await jobOf(jobId);
    assert.deepEqual(
      [
        job.generation,
        job.state,
        job.failure,
        job.chunks.total,
        job.chunks.committed,
        job.chunks.dead,
        job.chunks.pending,
        job.sums.recordsIn,
        job.deadLetters.count,
      ],
      [2, 'running', null, 3, 1, 0, 2, 10, 0],
    );
    assert.deepEqual(await queues.ledger.openAttempt(opening(taskId)), { refused: 'old-generation' });
    assert.equal(await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, failureOf('crash')), false, 'the old attempt cannot close anything');
    const found = await queues.ledger.dispatchable(jobId, 5);
    assert.deepEqual(
      found.map((view) => [view.chunk, view.segmentKey, view.generation]),
      [
        [1, 'plan/2/0', 2],
        [2, 'plan/2/0', 2],
      ],
    );
    const later = await dispatched(queues, found[0] as never);
    assert.match(later, /\.read\.1\.2\..*-1$/);
    await queues.ledger.markCommitted(chunkId(jobId, 'read', 2), 1, tenRows());
    assert.equal((await jobOf(jobId)).chunks.committed, 2, 'a receipt of the old generation counts when it stands');
  });

  test('does not begin twice or backwards', async () => {
    const jobId = await plannedJob(queues, 'reopen-twice', 1);
    assert.equal(await queues.ledger.reopen(testJob('reopen-twice', { generation: 1 })), false);
    assert.equal(await queues.ledger.reopen(testJob('never-there', { generation: 2 })), false);
    assert.equal((await jobOf(jobId)).generation, 1);
  });
});

describe('a chunk that has killed a core of a host', () => {
  const crashed = async (key: string, ...workers: string[]) => {
    const jobId = await plannedJob(queues, key, 1);
    for (const worker of workers) {
      const { chunk, taskId } = await nextTry(jobId);
      const attemptId = testAttemptId();
      assert.ok('go' in (await queues.ledger.openAttempt(opening(taskId, attemptId, worker))));
      await queues.ledger.failAttempt(chunk.chunkId, 1, attemptId, failureOf('crash'));
      const view = await queues.ledger.chunk(chunk.chunkId);
      assert.ok(view);
      await queues.ledger.setNextTry(view, { mode: 'normal', delayMs: 0 });
    }
    return jobId;
  };
  /** The chunk's next task; a wait that was decided ends now. */
  const nextTry = async (jobId: Parameters<Queues['ledger']['job']>[0]) => {
    const [waiting] = await queues.ledger.liveChunks(jobId);
    if (waiting === undefined) return dispatchOne(queues, jobId);
    assert.equal(await queues.ledger.retryNow(waiting), 'done');
    const due = (await queues.ledger.dueRetries(100)).find((view) => view.jobId === jobId);
    assert.ok(due);
    return { chunk: due, taskId: await dispatched(queues, due) };
  };
  const open = async (jobId: Parameters<typeof nextTry>[0], worker: string, others?: readonly string[]) => {
    const { taskId } = await nextTry(jobId);
    const answer = await queues.ledger.openAttempt({ ...opening(taskId, testAttemptId(), worker), ...(others && { others }) });
    return 'refused' in answer ? answer.refused : answer.go.mode;
  };

  test('is left to another host, which runs it', async () => {
    const jobId = await crashed('left', 'w-1');
    assert.equal(await open(jobId, 'w-1', ['w-2']), 'crashed-here');
    const { chunks } = await jobOf(jobId);
    assert.deepEqual([chunks.queued, chunks.retrying, chunks.running], [0, 1, 0]);
    assert.equal(await open(jobId, 'w-2'), 'normal');
  });

  test('is run by its host when that is alone, or when all others have died of it too', async () => {
    assert.equal(await open(await crashed('alone', 'w-1'), 'w-1', []), 'normal');
    assert.equal(await open(await crashed('all', 'w-1', 'w-2'), 'w-1', ['w-2']), 'bisect');
    assert.equal(await open(await crashed('third', 'w-1', 'w-2'), 'w-2', ['w-1', 'w-3']), 'crashed-here');
  });

  test('is not left for ever to hosts that do not come to it', async () => {
    const jobId = await crashed('for-ever', 'w-1');
    let left = 0;
    while ((await open(jobId, 'w-1', ['w-2'])) === 'crashed-here') left += 1;
    assert.equal(left, 100);
  });
});

describe('a rebuilt job', () => {
  test('uses no dispatch number of its earlier ledger', async () => {
    const jobId = await plannedJob(queues, 'recreated', 1);
    const { taskId } = await dispatchOne(queues, jobId);
    await queues.ledger.dropJob(jobId);
    assert.equal(await queues.ledger.job(jobId), null);
    assert.deepEqual(await queues.ledger.openAttempt(opening(taskId)), { refused: 'unknown-job' });
    await queues.ledger.createJob(testJob('recreated'), { recreated: true });
    await queues.ledger.recordSegment(jobId, 1, { segment: 0, key: 'plan/0', digest: 's0', stage: 'read', ranges: [[0, 1]], bytes: 10 });
    const again = await dispatchOne(queues, jobId);
    assert.ok(Number(again.taskId.slice(again.taskId.lastIndexOf('-') + 1)) > 1_000_000);
    assert.deepEqual(await queues.ledger.openAttempt(opening(taskId)), { refused: 'old-task' });
    assert.ok('go' in (await queues.ledger.openAttempt(opening(again.taskId))));
  });

  test('gets back the attempts its chunks have used', async () => {
    const jobId = await plannedJob(queues, 'restored', 1);
    const past = { input: 0, transient: 2, resource: 0, crash: 1, lost: 0, bug: 0 };
    const chunk = {
      chunkId: chunkId(jobId, 'read', 0),
      generation: 1,
      segmentKey: 'plan/0',
      segmentDigest: 's0',
      bytes: 10,
      mode: 'normal' as const,
      past,
      crashedOn: ['w-1'],
      last: null,
    };
    await twice(jobId, async () => void (await queues.ledger.restoreChunk(chunk)));
    const view = await queues.ledger.chunk(chunk.chunkId);
    assert.deepEqual([view?.state, view?.past.transient, view?.past.crash], ['pending', 2, 1]);
    const found = await queues.ledger.dispatchable(jobId, 5);
    assert.deepEqual(
      found.map((one) => one.chunk),
      [0],
    );
  });
});
