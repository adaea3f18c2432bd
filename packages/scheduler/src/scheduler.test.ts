import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type JobEvent, jobIdFromKey } from '@millrace/protocol';
import type { RunningScheduler } from './start-scheduler.ts';
import { accepted, Bench, command, redrive, result, statusOf, submit, submitRequest, untilEnd, untilStatus } from './testing/fixture.ts';
import { type Script, type ScriptedEnd, type ScriptedHost, startScriptedHost } from './testing/scripted-host.ts';

let bench: Bench;
let scheduler: RunningScheduler;
before(async () => {
  bench = await Bench.set();
  scheduler = await bench.startScheduler();
});
after(() => bench.clear());

/** Runs with one scripted host, which is stopped afterwards. */
async function withHost(script: Script, use: (host: ScriptedHost) => Promise<void>): Promise<void> {
  const host = await startScriptedHost(scheduler.control, script);
  try {
    await use(host);
  } finally {
    await host.stop();
  }
}

/** Commits after a while. */
function slowly(ms: number): () => Promise<ScriptedEnd> {
  return async () => {
    await sleep(ms);
    return 'commit';
  };
}

describe('a submitted job', () => {
  test('is planned, run and finished, and its watchers hear of it', () =>
    withHost({}, async () => {
      const uri = await bench.file('plain.txt', 7);
      const events: JobEvent[] = [];
      const jobId = jobIdFromKey('default', 'plain');
      const watching = (async () => {
        for await (const event of scheduler.control.queues.events.watch('default', jobId, { after: '0-0' })) events.push(event);
      })();
      assert.equal(await accepted(scheduler, 'plain', bench.spec(uri)), jobId);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual(
        [status.state, status.chunks.committed, status.chunks.total, status.balance.recordsIn, status.bytes],
        ['completed', 7, 7, 7, { total: 70, done: 70 }],
      );
      await watching;
      const states = events.flatMap((event) => (event.type === 'state' ? [event.status.state] : []));
      assert.equal(states.at(-1), 'completed');
      const answer = await result(scheduler, jobId);
      assert.ok(answer.ok && answer.result?.manifestUri.endsWith(`/jobs/${jobId}/manifests/000001.json`));
      assert.equal(await scheduler.control.journal.hasOpenMarker(jobId, 1), false);
    }));

  test('that ended before its receipts were counted again has the sums of its manifest', () =>
    withHost({}, async () => {
      const { queues, journal } = scheduler.control;
      const uri = await bench.file('uncounted.txt', 5);
      const jobId = await accepted(scheduler, 'uncounted', bench.spec(uri, {}, 'uncounted'));
      const before = await untilEnd(scheduler, jobId);
      const known = await queues.ledger.job(jobId);
      assert.ok(known?.manifestKey);
      // As a rebuild knows it that was overtaken by the end: receipts by their names, none of their sums.
      const { tenant, name, generation, jobKey, specDigest, resultVersion, pool, stages, priority, weight, maxConcurrency, inputFiles, inputBytes } = known;
      const shape = { tenant, name, generation, jobKey, specDigest, resultVersion, pool, stages, priority, weight, maxConcurrency, inputFiles, inputBytes };
      await queues.ledger.dropJob(jobId);
      await queues.ledger.createJob({ jobId, ...shape, state: 'finishing', acceptedAt: known.acceptedAt, sealTimeLimitMs: null }, { recreated: true });
      await queues.ledger.setTotals(jobId, 1, { chunks: 5, bytes: 50, stages: { read: 5 } });
      await queues.ledger.setOutcomes(jobId, 1, 'read', [0, 1, 2, 3, 4]);
      await queues.ledger.finishReported(jobId, 1, { state: 'completed', failure: null, manifestKey: known.manifestKey });
      assert.equal((await queues.ledger.job(jobId))?.sums.recordsIn, 0, 'the ledger has none');
      const after = await statusOf(scheduler, jobId);
      assert.deepEqual([after.state, after.balance, after.chunks], ['completed', before.balance, before.chunks]);
      assert.deepEqual((await journal.readStatus(jobId))?.balance, after.balance);
    }));

  test('takes what patterns and prefixes match, once, in order', () =>
    withHost({}, async () => {
      for (const name of ['p/b.csv', 'p/a.csv', 'p/_hidden.csv', 'p/c.txt', 'p/deep/d.csv']) await bench.file(name, 1);
      const root = `file://${join(bench.directory, 'in', 'p')}`;
      const jobId = await accepted(scheduler, 'patterns', bench.spec([`${root}/*.csv`, `${root}/`], {}, 'patterns'));
      const names = [...(await scheduler.control.facts.files(jobId)).values()].map(({ uri }) => uri.slice(root.length + 1));
      assert.deepEqual(names, ['_hidden.csv', 'a.csv', 'b.csv', 'c.txt', 'deep/d.csv']);
      await untilEnd(scheduler, jobId);
    }));

  test('is the same job for the same key and spec, and a conflict that names the difference for another', () =>
    withHost({}, async () => {
      const uri = await bench.file('same.txt', 2);
      const spec = bench.spec(uri, {}, 'same');
      const jobId = await accepted(scheduler, 'same', spec);
      await untilEnd(scheduler, jobId);
      await rm(join(bench.directory, 'in', 'same.txt'));
      const again = await submit(scheduler, 'same', spec);
      assert.ok(again.ok && again.replayed && again.jobId === jobId && again.status.state === 'completed');
      const other = await submit(scheduler, 'same', { ...spec, rejects: { maxRows: 3 } });
      assert.ok(!other.ok);
      assert.deepEqual([other.code, other.jobId, other.differences?.map(({ pointer }) => pointer)], ['KEY_CONFLICT', jobId, ['/rejects/maxRows']]);
    }));

  test('200 submits of one key at once are one job', () =>
    withHost({}, async (host) => {
      const uri = await bench.file('parallel.txt', 3);
      const answers = await Promise.all(Array.from({ length: 200 }, () => submit(scheduler, 'parallel', bench.spec(uri, {}, 'parallel'))));
      assert.equal(new Set(answers.map((answer) => (answer.ok ? answer.jobId : answer.message))).size, 1);
      const jobId = jobIdFromKey('default', 'parallel');
      await untilEnd(scheduler, jobId);
      assert.deepEqual(host.attempts.toSorted(), ['0@1', '1@1', '2@1']);
    }));

  const refusals: readonly (readonly [string, () => Promise<Parameters<typeof submit>[2]>, string, RegExp])[] = [
    ['whose input is not there', async () => bench.spec(`file://${bench.directory}/in/missing.csv`), 'INPUT_NOT_FOUND', /missing\.csv is not there/],
    ['whose pattern matches nothing', async () => bench.spec(`file://${bench.directory}/in/none-*.csv`), 'INPUT_NONE', /nothing matches/],
    ['whose input lies outside', async () => bench.spec('file:///etc/passwd'), 'STORAGE_FORBIDDEN', /outside the places/],
    ['of another tenant', async () => bench.spec(await bench.file('t.txt', 1), { execution: { tenant: 'other' } }), 'SPEC_TENANT_DENIED', /tenant/],
    [
      'whose webhook goes where nothing may',
      async () => bench.spec(await bench.file('t.txt', 1), { callbacks: [{ url: 'https://x.example/', secret: 'secret://a' }] }),
      'SPEC_URI',
      /MILLRACE_HTTP_ALLOW/,
    ],
    ['that recurs', async () => bench.spec(await bench.file('t.txt', 1), { schedule: { cron: '0 3 * * *' } }), 'SPEC_SCHEDULE_HERE', /schedule/],
    [
      'whose totals differ from the expected',
      async () => bench.spec('x', { inputs: { uri: await bench.file('t.txt', 1), expect: { bytes: 11 } } }),
      'INPUT_COUNT_MISMATCH',
      /expected 11 bytes, got 10/,
    ],
  ];
  for (const [index, [name, spec, code, message]] of refusals.entries()) {
    test(`${name} is refused as ${code} and leaves nothing`, async () => {
      const answer = await submit(scheduler, `refused-${index}`, await spec());
      assert.ok(!answer.ok);
      assert.equal(answer.code, code);
      assert.match(answer.message, message);
      assert.equal(await scheduler.control.journal.readJobRecord(jobIdFromKey('default', `refused-${index}`)), null);
    });
  }

  test('is refused when its output place holds other files', async () => {
    const uri = await bench.file('out.txt', 1);
    const spec = bench.spec(uri, {}, 'taken');
    await bench.file('../out/taken/other.parquet', 1);
    const answer = await submit(scheduler, 'taken', spec);
    assert.ok(!answer.ok && answer.code === 'OUTPUT_NOT_EMPTY' && answer.message.includes('other.parquet'));
  });

  test('may lie beside its journal, its rejects and empty directories', () =>
    withHost({}, async () => {
      const spec = bench.spec(await bench.file('beside.txt', 1), {}, 'beside');
      await bench.file('../out/beside/_rejects/old.pq', 1);
      await mkdir(join(bench.directory, 'out', 'beside', 'empty'), { recursive: true });
      await untilEnd(scheduler, await accepted(scheduler, 'beside', spec));
    }));

  test('under an id that is not that of its key is refused', async () => {
    const request = { ...submitRequest('one', bench.spec(await bench.file('t.txt', 1))), idempotencyKey: 'two' };
    const answer = await scheduler.control.queues.requests.ask(request, { timeoutMs: 120_000 });
    assert.ok(!answer.ok && answer.code === 'REQUEST_INVALID');
  });
});

describe('failures', () => {
  test('that are transient are retried until they pass', () =>
    withHost({ chunk: (chunk, attempt) => (chunk === 1 && attempt < 4 ? { class: 'transient', code: 'STORAGE_TIMEOUT' } : 'commit') }, async (host) => {
      const jobId = await accepted(scheduler, 'transient', bench.spec(await bench.file('transient.txt', 3), {}, 'transient'));
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
      assert.equal(host.attempts.filter((attempt) => attempt === '1@1').length, 4);
    }));

  test('that use up their attempts become a dead letter with every attempt, and the budget fails the job', () =>
    withHost({ chunk: (chunk) => (chunk === 1 ? { class: 'transient', code: 'STORAGE_TIMEOUT' } : 'commit') }, async (host) => {
      const spec = bench.spec(await bench.file('used-up.txt', 3), { execution: { maxAttempts: 3 } }, 'used-up');
      const jobId = await accepted(scheduler, 'used-up', spec);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.failure?.code, status.chunks.committed, status.chunks.dead], ['failed', 'BUDGET_DEAD_LETTERS', 2, 1]);
      assert.equal(host.attempts.filter((attempt) => attempt === '1@1').length, 3);
      const letter = await scheduler.control.journal.readDeadLetter(jobId, 'read', 1, 1);
      assert.deepEqual([letter?.record.code, letter?.record.attempts.length, letter?.record.range?.start], ['STORAGE_TIMEOUT', 3, 10]);
      const verdict = await scheduler.control.journal.readVerdict(jobId, 'read', 1, 1);
      assert.equal(verdict?.record.outcome, 'dead');
    }));

  test('that crash the core twice make the next attempt bisect', () => {
    const modes: string[] = [];
    return withHost(
      {
        chunk: (chunk, attempt, orders) => {
          if (chunk === 0) modes.push(orders.mode);
          return chunk === 0 && attempt <= 2 ? { class: 'crash', code: 'CORE_CRASH' } : 'commit';
        },
      },
      async () => {
        const jobId = await accepted(scheduler, 'crash', bench.spec(await bench.file('crash.txt', 1), {}, 'crash'));
        assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
        assert.deepEqual(modes, ['normal', 'normal', 'bisect']);
      },
    );
  });

  test('that every chunk would have end the job with their own message', () =>
    withHost({ chunk: () => ({ class: 'bug', code: 'SPEC_SQL_UNKNOWN_COLUMN' }) }, async () => {
      const jobId = await accepted(scheduler, 'spec-failure', bench.spec(await bench.file('spec-failure.txt', 40), {}, 'spec-failure'));
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.failure?.code], ['failed', 'SPEC_SQL_UNKNOWN_COLUMN']);
    }));

  test('of a file that cannot be planned are a dead letter of the file', () =>
    withHost({ unplannable: (file) => (file.file === 0 ? { file: 0, uri: file.uri, code: 'INPUT_NOT_FOUND', message: 'gone' } : null) }, async () => {
      const spec = bench.spec([await bench.file('un/a.txt', 2), await bench.file('un/b.txt', 2)], { deadLetters: { maxChunks: 1 } }, 'unplannable');
      const jobId = await accepted(scheduler, 'unplannable', spec);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.chunks.committed, status.balance.unreadBytes], ['completed', 2, 20]);
      assert.equal((await scheduler.control.journal.readVerdict(jobId, 'plan', 0, 1))?.record.outcome, 'dead');
    }));

  test('of records over the budget stop the job early', () =>
    withHost({ rejectsOf: () => 10, chunk: slowly(30) }, async () => {
      const spec = bench.spec(await bench.file('budget.txt', 60), { rejects: { maxRows: 20, maxRatio: null } }, 'budget');
      const jobId = await accepted(scheduler, 'budget', spec);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.failure?.code], ['failed', 'BUDGET_REJECTS']);
      assert.ok(status.chunks.committed < 60, `stopped after ${status.chunks.committed} of 60 chunks`);
    }));

  test('of a host that dies with a task in hand are rescued, and the loss is recorded', async () => {
    let first = true;
    const dying: Script = {
      chunk: (chunk) => {
        if (chunk !== 0 || !first) return 'commit';
        first = false;
        return 'vanish';
      },
    };
    await withHost(dying, async () => {
      const jobId = await accepted(scheduler, 'vanish', bench.spec(await bench.file('vanish.txt', 2), {}, 'vanish'));
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
      for (const startMs = performance.now(); performance.now() - startMs < 120_000; await sleep(50)) {
        if ((await scheduler.control.journal.readFailures(jobId, 'read', 0)).length > 0) break;
      }
      const [lost] = await scheduler.control.journal.readFailures(jobId, 'read', 0);
      assert.equal(lost?.record.outcome, 'lost');
    });
  });

  test('to mark a receipt are made good by the sweeper', () =>
    withHost({ chunk: (chunk) => (chunk === 1 ? 'mute' : 'commit') }, async () => {
      const jobId = await accepted(scheduler, 'mute', bench.spec(await bench.file('mute.txt', 3), {}, 'mute'));
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.balance.recordsIn], ['completed', 3]);
    }));

  test('to enqueue what the ledger calls queued are made good by the sweeper', async () => {
    const jobId = await accepted(scheduler, 'lost-task', bench.spec(await bench.file('lost-task.txt', 1), {}, 'lost-task'));
    await withHost({}, async () => {
      const { ledger } = scheduler.control.queues;
      await untilEnd(scheduler, jobId);
      const other = await accepted(scheduler, 'lost-task-2', bench.spec(await bench.file('lost-task-2.txt', 1), {}, 'lost-task-2'));
      // As a scheduler would leave it that dies between the ledger and the queue.
      for (;;) {
        const [chunk] = await ledger.dispatchable(other, 1);
        if (chunk) await ledger.dispatch({ ...chunk, bytes: 10 });
        if (chunk || (await statusOf(scheduler, other)).state === 'completed') break;
      }
      assert.equal((await untilEnd(scheduler, other)).state, 'completed');
    });
  });
});

describe('a redrive', () => {
  test('runs what is dead as the next generation and leaves what is committed alone', async () => {
    let broken = true;
    const script: Script = { chunk: (chunk) => (chunk === 2 && broken ? { class: 'input', code: 'INPUT_NOT_FOUND' } : 'commit') };
    await withHost(script, async (host) => {
      const jobId = await accepted(scheduler, 'redrive', bench.spec(await bench.file('redrive.txt', 5), {}, 'redrive'));
      const failed = await untilEnd(scheduler, jobId);
      assert.deepEqual([failed.state, failed.chunks.dead], ['failed', 1]);
      broken = false;
      host.attempts.length = 0;
      const answer = await redrive(scheduler, jobId);
      assert.ok(answer.ok, JSON.stringify(answer));
      assert.deepEqual([answer.generation, answer.chunks, answer.number], [2, 1, 0]);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.generation, status.chunks.committed, status.chunks.total, status.balance.recordsIn], ['completed', 2, 5, 5, 5]);
      assert.deepEqual(host.attempts, ['2@2'], 'committed chunks are untouched (I2)');
      assert.equal((await scheduler.control.journal.readVerdict(jobId, 'read', 2, 2))?.record.outcome, 'committed');
      assert.equal(await scheduler.control.journal.readVerdict(jobId, 'read', 1, 2), null);
      const again = await redrive(scheduler, jobId);
      assert.ok(!again.ok && again.code === 'PLAN_EMPTY');
    });
  });

  test('takes only what is selected, and what never ran', async () => {
    let broken = true;
    const script: Script = { chunk: (chunk) => (chunk < 2 && broken ? { class: 'input', code: 'INPUT_NOT_FOUND' } : 'commit') };
    await withHost(script, async (host) => {
      const spec = bench.spec(await bench.file('select.txt', 4), { deadLetters: { maxChunks: 1 } }, 'select');
      const jobId = await accepted(scheduler, 'select', spec);
      assert.equal((await untilEnd(scheduler, jobId)).state, 'failed');
      broken = false;
      host.attempts.length = 0;
      const answer = await redrive(scheduler, jobId, { select: ['read.1'] });
      assert.ok(answer.ok && answer.chunks === 1);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual(host.attempts, ['1@2']);
      assert.deepEqual([status.state, status.chunks.committed], ['completed', 3], 'one dead letter is within the budget');
    });
  });

  test('with a larger budget goes on after an early end', async () => {
    await withHost({ rejectsOf: () => 10, chunk: slowly(20) }, async (host) => {
      const spec = bench.spec(await bench.file('larger.txt', 40), { rejects: { maxRows: 30, maxRatio: null } }, 'larger');
      const jobId = await accepted(scheduler, 'larger', spec);
      assert.equal((await untilEnd(scheduler, jobId)).state, 'failed');
      const resolved = submitRequest('larger', { ...spec, rejects: { maxRows: null, maxRatio: null } }).spec;
      const before = host.attempts.length;
      const answer = await redrive(scheduler, jobId, { spec: resolved });
      assert.ok(answer.ok, JSON.stringify(answer));
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.committed, status.balance.recordsIn], ['completed', 40, 440]);
      assert.ok(host.attempts.length - before < 40, 'receipts of the first generation stay');
      const other = await redrive(scheduler, jobId, { spec: submitRequest('x', { ...spec, name: 'another' }).spec });
      assert.ok(!other.ok && other.code === 'SPEC_CONFLICT' && other.message.includes('name'), JSON.stringify(other));
    });
  });

  test('with a larger budget completes a job of which everything is committed', async () => {
    await withHost({ rejectsOf: () => 10 }, async (host) => {
      const spec = bench.spec(await bench.file('judged.txt', 5), { rejects: { maxRows: 30, maxRatio: null, onExceeded: 'finish' } }, 'judged');
      const jobId = await accepted(scheduler, 'judged', spec);
      const failed = await untilEnd(scheduler, jobId);
      assert.deepEqual([failed.state, failed.failure?.code, failed.chunks.committed], ['failed', 'BUDGET_REJECTS', 5]);
      const same = await redrive(scheduler, jobId);
      assert.ok(!same.ok && same.code === 'PLAN_EMPTY', 'the same budget would say the same again');
      host.attempts.length = 0;
      const answer = await redrive(scheduler, jobId, { spec: submitRequest('judged', { ...spec, rejects: { maxRows: 100, maxRatio: null } }).spec });
      assert.ok(answer.ok && answer.chunks === 0, JSON.stringify(answer));
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.balance.recordsIn, host.attempts], ['completed', 55, []]);
    });
  });

  test('plans again the files that could not be planned', async () => {
    const script: Script = {
      unplannable: (file, generation) => (generation === 1 && file.file === 1 ? { file: 1, uri: file.uri, code: 'INPUT_NOT_FOUND', message: 'gone' } : null),
    };
    await withHost(script, async (host) => {
      const jobId = await accepted(scheduler, 'replan', bench.spec([await bench.file('re/a.txt', 2), await bench.file('re/b.txt', 3)], {}, 'replan'));
      assert.equal((await untilEnd(scheduler, jobId)).state, 'failed');
      host.attempts.length = 0;
      const answer = await redrive(scheduler, jobId);
      assert.ok(answer.ok, JSON.stringify(answer));
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.total, status.chunks.committed, status.balance.unreadBytes], ['completed', 5, 5, 0]);
      assert.deepEqual(host.attempts.toSorted(), ['2@2', '3@2', '4@2']);
    });
  });

  test('goes on in the middle of a file whose planning was cut off', async () => {
    const script: Script = { planDies: (file, generation) => (generation === 1 && file.file === 1 ? 2 : null) };
    await withHost(script, async (host) => {
      const jobId = await accepted(scheduler, 'cut', bench.spec([await bench.file('cut/a.txt', 2), await bench.file('cut/b.txt', 5)], {}, 'cut'));
      await untilStatus(scheduler, jobId, (status) => status.chunks.committed === 4);
      assert.ok((await command(scheduler, jobId, 'cancel')).ok);
      assert.equal((await untilEnd(scheduler, jobId)).state, 'cancelled');
      host.attempts.length = 0;
    });
    await withHost({}, async (host) => {
      const jobId = jobIdFromKey('default', 'cut');
      const answer = await redrive(scheduler, jobId);
      assert.ok(answer.ok, JSON.stringify(answer));
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.total, status.chunks.committed, status.balance.recordsIn], ['completed', 7, 7, 7]);
      assert.deepEqual(host.attempts.toSorted(), ['4@2', '5@2', '6@2'], 'what was committed of the file is not read again');
    });
  });

  test('of a redrive goes on from the newest generation', async () => {
    let broken = 2;
    const script: Script = { chunk: (chunk, _, orders) => (chunk === 0 && orders.generation <= broken ? { class: 'bug', code: 'CORE_PANIC' } : 'commit') };
    await withHost(script, async () => {
      const jobId = await accepted(scheduler, 'thrice', bench.spec(await bench.file('thrice.txt', 2), {}, 'thrice'));
      assert.equal((await untilEnd(scheduler, jobId)).state, 'failed');
      assert.ok((await redrive(scheduler, jobId)).ok);
      assert.equal((await untilEnd(scheduler, jobId, 2)).state, 'failed');
      assert.ok((await redrive(scheduler, jobId)).ok);
      assert.equal((await untilEnd(scheduler, jobId, 3)).state, 'completed');
      broken = 0;
    });
  });

  test('of a job that runs is refused', () =>
    withHost({ chunk: slowly(300) }, async () => {
      const jobId = await accepted(scheduler, 'running', bench.spec(await bench.file('running.txt', 3), {}, 'running'));
      const answer = await redrive(scheduler, jobId);
      assert.ok(!answer.ok && answer.code === 'STATE_CONFLICT');
      await untilEnd(scheduler, jobId);
    }));

  test('and a status of a job that is not there say so', async () => {
    const jobId = jobIdFromKey('default', 'nowhere');
    const answer = await redrive(scheduler, jobId);
    assert.ok(!answer.ok && answer.code === 'NOT_FOUND');
    await assert.rejects(statusOf(scheduler, jobId), /cannot find job/);
  });
});

describe('commands', () => {
  test('pause stops dispatch, resume goes on', () => {
    const { promise: asked, resolve: goOn } = Promise.withResolvers<void>();
    return withHost({ chunk: (chunk) => (chunk < 2 ? 'commit' : asked.then(() => 'commit' as const)) }, async () => {
      const jobId = await accepted(scheduler, 'pause', bench.spec(await bench.file('pause.txt', 30), {}, 'pause'));
      await untilStatus(scheduler, jobId, (status) => status.chunks.committed > 0);
      const paused = await command(scheduler, jobId, 'pause');
      goOn();
      assert.ok(paused.ok && paused.status.state === 'paused');
      assert.ok(!(await command(scheduler, jobId, 'pause')).ok);
      const still = await untilStatus(scheduler, jobId, (status) => status.chunks.running === 0 && status.chunks.queued === 0);
      await sleep(300);
      assert.equal((await statusOf(scheduler, jobId)).chunks.committed, still.chunks.committed);
      assert.ok((await command(scheduler, jobId, 'resume')).ok);
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
      const late = await command(scheduler, jobId, 'cancel');
      assert.ok(!late.ok && late.code === 'STATE_CONFLICT' && late.state === 'completed');
    });
  });

  test('cancel ends the job, and a redrive goes on with it', () => {
    const { promise: asked, resolve: goOn } = Promise.withResolvers<void>();
    return withHost({ chunk: (chunk) => (chunk < 2 ? 'commit' : asked.then(() => 'commit' as const)) }, async () => {
      const jobId = await accepted(scheduler, 'cancel', bench.spec(await bench.file('cancel.txt', 30), {}, 'cancel'));
      await untilStatus(scheduler, jobId, (status) => status.chunks.committed > 0);
      const cancelled = await command(scheduler, jobId, 'cancel');
      goOn();
      assert.ok(cancelled.ok);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.failure?.code], ['cancelled', 'JOB_CANCELLED']);
      assert.ok(status.chunks.committed < 30);
      assert.ok((await redrive(scheduler, jobId)).ok);
      const again = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([again.state, again.chunks.committed], ['completed', 30]);
    });
  });
});

describe('what a scheduler and Redis may lose', () => {
  test('Redis emptied under load costs time only (I1)', () =>
    withHost({ chunk: slowly(20) }, async () => {
      const jobId = await accepted(scheduler, 'flushed', bench.spec(await bench.file('flushed.txt', 60), {}, 'flushed'));
      await untilStatus(scheduler, jobId, (status) => status.chunks.committed > 5);
      await flush();
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.chunks.committed, status.balance.recordsIn], ['completed', 60, 60]);
    }));

  test('a scheduler that stops is replaced by the next, which finds everything', async () => {
    await withHost({ chunk: slowly(30) }, async () => {
      const second = await bench.startScheduler();
      const jobId = await accepted(second, 'replaced', bench.spec(await bench.file('replaced.txt', 30), {}, 'replaced'));
      await untilStatus(second, jobId, (status) => status.chunks.committed > 2);
      const third = await bench.startScheduler();
      await bench.stopScheduler(second);
      const status = await untilEnd(third, jobId);
      assert.deepEqual([status.state, status.balance.recordsIn], ['completed', 30]);
      await bench.stopScheduler(third);
    });
  });

  test('a job whose ledger was never written is found by its marker', () =>
    withHost({}, async () => {
      const jobId = await accepted(scheduler, 'no-ledger', bench.spec(await bench.file('no-ledger.txt', 2), {}, 'no-ledger'));
      await scheduler.control.queues.ledger.dropJob(jobId);
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
    }));

  test('attempts used before a loss are not given again', async () => {
    const script: Script = { chunk: (chunk) => (chunk === 0 ? { class: 'transient', code: 'STORAGE_TIMEOUT' } : slowly(10)()) };
    await withHost(script, async (host) => {
      const jobId = await accepted(scheduler, 'used', bench.spec(await bench.file('used.txt', 2), { execution: { maxAttempts: 6 } }, 'used'));
      for (const startMs = performance.now(); host.attempts.filter((one) => one === '0@1').length < 3 && performance.now() - startMs < 120_000; )
        await sleep(10);
      await flush();
      assert.equal((await untilEnd(scheduler, jobId)).state, 'failed');
      const tried = host.attempts.filter((one) => one === '0@1').length;
      assert.ok(tried >= 6 && tried <= 7, `tried ${tried} times: one attempt may have been under way when Redis was emptied`);
    });
  });

  async function flush(): Promise<void> {
    await promisify(execFile)('redis-cli', ['-s', bench.redis.url.slice('unix://'.length), 'flushall']);
  }
});
