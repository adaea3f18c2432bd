/** Reduce stages through the real scheduler, Redis and journal, with a host that plays the core's part. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { JobId, JobSpec } from '@millrace/protocol';
import type { RunningScheduler } from './start-scheduler.ts';
import { acceptedUnchecked, Bench, redrive, result, statusOf, untilEnd, untilStatus } from './testing/fixture.ts';
import { type Script, type ScriptedHost, startScriptedHost } from './testing/scripted-host.ts';

let bench: Bench;
let scheduler: RunningScheduler;
before(async () => {
  bench = await Bench.set();
  scheduler = await bench.startScheduler();
});
after(() => bench.clear());

async function withHost(script: Script, use: (host: ScriptedHost) => Promise<void>): Promise<void> {
  const host = await startScriptedHost(scheduler.control, script);
  try {
    await use(host);
  } finally {
    await host.stop();
  }
}

const exchange = { keys: ['id'] };
const oneReduce: JobSpec['pipeline'] = [{ name: 'once', exchange, dedupe: {} }];
const join: JobSpec['pipeline'] = [
  { name: 'left', from: 'a', sql: 'SELECT id FROM input' },
  { name: 'right', from: 'b', sql: 'SELECT id FROM input' },
  { name: 'both', from: ['left', 'right'], exchange, sql: 'SELECT 1' },
  { name: 'total', exchange, sql: 'SELECT 1' },
];

async function submitted(name: string, chunks: number, changes: Partial<JobSpec> = {}): Promise<JobId> {
  const uri = await bench.file(`${name}.txt`, chunks);
  return acceptedUnchecked(scheduler, name, bench.spec(uri, { pipeline: oneReduce, ...changes }, name));
}

/** `name total/committed/dead in>out` of each stage. */
async function stagesOf(jobId: JobId): Promise<string[]> {
  const { stages } = await statusOf(scheduler, jobId);
  return stages.map(({ name, chunks: { total, committed, dead }, recordsIn, rowsOut }) => `${name} ${total}/${committed}/${dead} ${recordsIn}>${rowsOut}`);
}

describe('a job with reduce stages', () => {
  test('runs stage after stage, and each is told apart', () =>
    withHost({}, async (host) => {
      const jobId = await submitted('plain', 7);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.chunks.committed, status.chunks.total, status.sealed], ['completed', 9, 9, true]);
      assert.deepEqual(await stagesOf(jobId), ['read 7/7/0 7>7', 'once 2/2/0 7>7']);
      assert.deepEqual([status.balance.recordsIn, status.balance.emitted, status.balance.rowsOut], [7, 7, 7]);
      const last = host.attempts.indexOf('7@1');
      assert.ok(host.attempts.slice(0, 7).every((attempt) => Number.parseInt(attempt, 10) < 7) && last >= 7, host.attempts.join(' '));
    }));

  test('joins two inputs, each with its map stage, and numbers chunks through all stages', () =>
    withHost({}, async (host) => {
      const inputs = [
        { name: 'a', uri: await bench.file('a.txt', 3) },
        { name: 'b', uri: await bench.file('b.txt', 2) },
      ];
      const jobId = await acceptedUnchecked(scheduler, 'join', bench.spec('x', { inputs, pipeline: join }, 'join'));
      const status = await untilEnd(scheduler, jobId);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(await stagesOf(jobId), ['left 3/3/0 3>3', 'right 2/2/0 2>2', 'both 2/2/0 5>5', 'total 2/2/0 5>5']);
      assert.deepEqual(
        host.attempts.toSorted(),
        Array.from({ length: 9 }, (_, chunk) => `${chunk}@1`),
      );
      const plan = await scheduler.control.journal.readJob(jobId);
      assert.deepEqual(
        plan?.plans[0]?.stages.map(({ stage, segments }) => [stage, segments[0]?.record.segment, segments[0]?.record.firstChunk]),
        [
          ['both', 2, 5],
          ['total', 3, 7],
        ],
      );
    }));

  test('moves rejects of a reduce stage out of the emitted', () =>
    withHost({ rejectsOf: (chunk) => (chunk === 4 ? 1 : 0) }, async () => {
      const status = await untilEnd(scheduler, await submitted('rejects', 4));
      const { recordsIn, emitted, rejected, rowsOut } = status.balance;
      assert.deepEqual([status.state, recordsIn, emitted, rejected, rowsOut], ['completed', 4, 3, 1, 3]);
    }));
});

describe('a map chunk that died', () => {
  const input = { class: 'input', code: 'INPUT_NOT_FOUND' } as const;

  test('over the budget ends the job before its reduce stage, and a redrive goes on', async () => {
    let broken = true;
    await withHost({ chunk: (chunk) => (chunk === 1 && broken ? input : 'commit') }, async (host) => {
      const jobId = await submitted('dead-map', 3);
      const failed = await untilEnd(scheduler, jobId);
      assert.deepEqual([failed.state, failed.failure?.code], ['failed', 'BUDGET_DEAD_LETTERS']);
      assert.deepEqual(host.attempts.toSorted(), ['0@1', '1@1', '2@1']);
      broken = false;
      const answer = await redrive(scheduler, jobId);
      assert.ok(answer.ok && answer.chunks === 1);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(host.attempts.slice(3).toSorted(), ['1@2', '3@2', '4@2']);
      assert.deepEqual(await stagesOf(jobId), ['read 3/3/0 3>3', 'once 2/2/0 3>3']);
    });
  });

  test('within the budget leaves a gap, and once it is back the partitions run again under their numbers', async () => {
    let broken = true;
    await withHost({ chunk: (chunk) => (chunk === 1 && broken ? input : 'commit') }, async (host) => {
      const jobId = await submitted('gap', 4, { deadLetters: { maxChunks: 1 } });
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
      assert.deepEqual(await stagesOf(jobId), ['read 4/3/1 3>3', 'once 2/2/0 3>3']);
      broken = false;
      assert.ok((await redrive(scheduler, jobId)).ok);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(host.attempts.filter((attempt) => attempt.endsWith('@2')).toSorted(), ['1@2', '4@2', '5@2']);
      assert.deepEqual(await stagesOf(jobId), ['read 4/4/0 4>4', 'once 2/2/0 4>4']);
      assert.deepEqual([status.balance.recordsIn, status.chunks.total, status.chunks.committed], [4, 6, 6]);
    });
  });
});

describe('a partition', () => {
  test('that died is redriven alone', async () => {
    let broken = true;
    await withHost({ chunk: (chunk) => (chunk === 4 && broken ? { class: 'input', code: 'TRANSFORM_AGGREGATE' } : 'commit') }, async (host) => {
      const jobId = await submitted('dead-partition', 3);
      const failed = await untilEnd(scheduler, jobId);
      assert.deepEqual([failed.state, failed.failure?.code, failed.balance.unreadBytes], ['failed', 'BUDGET_DEAD_LETTERS', 0]);
      broken = false;
      const answer = await redrive(scheduler, jobId, { select: ['once.4'] });
      assert.ok(answer.ok && answer.chunks === 1);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(
        host.attempts.filter((attempt) => attempt.endsWith('@2')),
        ['4@2'],
      );
      assert.deepEqual(await stagesOf(jobId), ['read 3/3/0 3>3', 'once 2/2/0 3>3']);
      const again = await redrive(scheduler, jobId);
      assert.ok(!again.ok && again.code === 'PLAN_EMPTY');
    });
  });

  test('that crashes is tried with less and never bisected', async () => {
    const modes: string[] = [];
    const script: Script = {
      chunk: (chunk, _, { mode }) => {
        if (chunk !== 2) return 'commit';
        modes.push(mode);
        return { class: 'crash', code: 'CORE_CRASH' };
      },
    };
    await withHost(script, async () => {
      const status = await untilEnd(scheduler, await submitted('crash', 2));
      assert.deepEqual([status.state, status.chunks.dead], ['failed', 1]);
      assert.equal(modes.length, 3);
    });
  });

  test('whose host vanished is rescued by another', async () => {
    const first = await startScriptedHost(scheduler.control, { chunk: (chunk) => (chunk >= 2 ? 'vanish' : 'commit') }, 'w-gone');
    const jobId = await submitted('vanish', 2);
    await untilStatus(scheduler, jobId, ({ stages }) => (stages[1]?.chunks.total ?? 0) === 2);
    await sleep(100);
    await first.stop();
    await withHost({}, async () => assert.equal((await untilEnd(scheduler, jobId)).state, 'completed'));
  });
});

describe('a job with unique keys', () => {
  const keyed = { pipeline: [], schema: { fields: [{ name: 'id', constraints: { unique: true } }] } } as Partial<JobSpec>;

  test('reads the keys first, and its records when their owners are known', () =>
    withHost({}, async (host) => {
      const status = await untilEnd(scheduler, await submitted('keyed', 3, keyed));
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(
        status.stages.map(({ name, chunks: { committed } }) => `${name} ${committed}`),
        ['unique 3', 'owners 2', 'read 3'],
      );
      assert.deepEqual([status.balance.recordsIn, status.balance.emitted], [3, 3]);
      assert.deepEqual(host.attempts.slice(0, 3).toSorted(), ['0@1', '1@1', '2@1']);
      assert.deepEqual(host.attempts.slice(5).toSorted(), ['5@1', '6@1', '7@1']);
    }));

  test('does not read its records while some keys are not compared, whatever the budget, and goes on after a redrive', async () => {
    let broken = true;
    await withHost({ chunk: (chunk) => (chunk === 4 && broken ? { class: 'input', code: 'TRANSFORM_AGGREGATE' } : 'commit') }, async (host) => {
      const jobId = await submitted('not-compared', 3, { ...keyed, deadLetters: { maxChunks: 5 } });
      const failed = await untilEnd(scheduler, jobId);
      assert.deepEqual([failed.state, failed.failure?.code, failed.stages[2]?.chunks.total], ['failed', 'BUDGET_DEAD_LETTERS', 0]);
      assert.match(failed.failure?.message ?? '', /1 partitions of keys could not be compared/);
      broken = false;
      const answer = await redrive(scheduler, jobId);
      assert.ok(answer.ok && answer.chunks === 1);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(host.attempts.filter((attempt) => attempt.endsWith('@2')).toSorted(), ['4@2', '5@2', '6@2', '7@2']);
      assert.deepEqual([status.balance.recordsIn, status.chunks.committed], [3, 8]);
    });
  });

  test('leaves out what died while keys were read, and reads it when it is back', async () => {
    let broken = true;
    await withHost({ chunk: (chunk) => (chunk === 1 && broken ? { class: 'input', code: 'INPUT_NOT_FOUND' } : 'commit') }, async (host) => {
      const jobId = await submitted('keys-gap', 3, { ...keyed, deadLetters: { maxChunks: 5 } });
      const first = await untilEnd(scheduler, jobId);
      assert.deepEqual([first.state, first.balance.recordsIn, first.stages[2]?.chunks.total], ['completed', 2, 2], first.failure?.message);
      broken = false;
      assert.ok((await redrive(scheduler, jobId)).ok);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(host.attempts.filter((attempt) => attempt.endsWith('@2')).toSorted(), ['1@2', '3@2', '4@2', '7@2']);
      assert.deepEqual([status.balance.recordsIn, status.stages[2]?.chunks.committed], [3, 3]);
    });
  });
});

describe('a loss of Redis amid a reduce stage', () => {
  test('costs time only: what committed stays, nothing counts twice', () => {
    const { promise: flushed, resolve: goOn } = Promise.withResolvers<void>();
    return withHost({ chunk: (chunk) => (chunk === 13 ? flushed.then(() => 'commit' as const) : 'commit') }, async (host) => {
      const jobId = await submitted('flushed', 12);
      await untilStatus(scheduler, jobId, ({ stages }) => (stages[1]?.chunks.committed ?? 0) === 1);
      await promisify(execFile)('redis-cli', ['-s', bench.redis.url.slice('unix://'.length), 'flushall']);
      goOn();
      const status = await untilEnd(scheduler, jobId);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(await stagesOf(jobId), ['read 12/12/0 12>12', 'once 2/2/0 12>12']);
      assert.ok(host.attempts.filter((attempt) => attempt !== '13@1').length === 13, host.attempts.join(' '));
      const answer = await result(scheduler, jobId);
      assert.ok(answer.ok && answer.result?.balance.recordsIn === 12);
    });
  });

  test('between two stages: the next one is planned after it', () => {
    const { promise: flushed, resolve: goOn } = Promise.withResolvers<void>();
    return withHost({ chunk: (chunk) => (chunk === 2 ? flushed.then(() => 'mute' as const) : 'commit') }, async () => {
      const jobId = await submitted('flushed-between', 3);
      await untilStatus(scheduler, jobId, ({ chunks }) => chunks.committed === 2);
      await promisify(execFile)('redis-cli', ['-s', bench.redis.url.slice('unix://'.length), 'flushall']);
      goOn();
      const status = await untilEnd(scheduler, jobId);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.deepEqual(await stagesOf(jobId), ['read 3/3/0 3>3', 'once 2/2/0 3>3']);
    });
  });
});
