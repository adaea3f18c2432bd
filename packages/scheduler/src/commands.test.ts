/** Commands at bad moments: several at once, in the middle of planning, while receipts are being written, and with the answer lost. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, isTerminalJobState, type JobId, newRequestId, sumsOfReceipt } from '@millrace/protocol';
import { idSource, systemClock } from '@millrace/service-kit';
import type { RunningScheduler } from './start-scheduler.ts';
import { accepted, Bench, command, redrive, statusOf, untilEnd, untilStatus } from './testing/fixture.ts';
import { type Script, type ScriptedEnd, type ScriptedHost, startScriptedHost } from './testing/scripted-host.ts';

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

const slowly = (ms: number) => async (): Promise<ScriptedEnd> => {
  await sleep(ms);
  return 'commit';
};

const commandsOf = (jobId: JobId): Promise<Command[]> => scheduler.control.journal.readCommands(jobId);

/** Second records of the audit of a job: what was asked, how it ended, and which command it became, in the order of the log of commands. */
async function auditOf(jobId: JobId): Promise<{ act: string; outcome: string | null; command: unknown; before: unknown }[]> {
  const days = new Set([new Date().toISOString().slice(0, 10), new Date(Date.now() - 60_000).toISOString().slice(0, 10)]);
  const found = [];
  for (const day of days) {
    for await (const { record } of scheduler.control.journal.listAudit(day)) {
      if (record.object === `job:${jobId}` && record.follows !== null) found.push(record);
    }
  }
  return found.map(({ act, outcome, after, before }) => ({ act, outcome, command: after?.['command'] ?? null, before }));
}

describe('commands at once', () => {
  test('of one kind are one command, and the others are told that it stands', () =>
    withHost({ chunk: slowly(40) }, async () => {
      const jobId = await accepted(scheduler, 'at-once', bench.spec(await bench.file('at-once.txt', 40), {}, 'at-once'));
      await untilStatus(scheduler, jobId, (status) => status.chunks.committed > 0);
      const answers = await Promise.all(Array.from({ length: 12 }, () => command(scheduler, jobId, 'cancel')));
      assert.equal(answers.filter(({ ok }) => ok).length, 1);
      for (const answer of answers) assert.ok(answer.ok || answer.code === 'STATE_CONFLICT', JSON.stringify(answer));
      assert.deepEqual(
        (await commandsOf(jobId)).map(({ command: word }) => word),
        ['cancel'],
      );
      assert.equal((await untilEnd(scheduler, jobId)).state, 'cancelled');
      const audit = await auditOf(jobId);
      assert.deepEqual([audit.length, audit.filter(({ outcome }) => outcome === 'done').length], [12, 1]);
    }));

  test('of all kinds are an ordered log that the ledger follows, and the audit names each', () =>
    withHost({ chunk: slowly(30) }, async () => {
      const jobId = await accepted(scheduler, 'mixed', bench.spec(await bench.file('mixed.txt', 60), {}, 'mixed'));
      await untilStatus(scheduler, jobId, (status) => status.chunks.committed > 0);
      const words = Array.from({ length: 24 }, (_, at) => (at % 2 === 0 ? 'pause' : 'resume') as 'pause' | 'resume');
      const answers = await Promise.all(words.map((word) => command(scheduler, jobId, word)));
      const log = await commandsOf(jobId);
      assert.deepEqual(
        log.map(({ command: word }) => word),
        log.map((_, at) => (at % 2 === 0 ? 'pause' : 'resume')),
        'a pause and a resume take turns: each was judged by all before it',
      );
      const done = answers.flatMap((answer) => (answer.ok ? [answer.number] : []));
      assert.deepEqual(
        done.toSorted((a, b) => a - b),
        log.map(({ number }) => number),
      );
      const job = await scheduler.control.queues.ledger.job(jobId);
      assert.equal(job?.paused, log.at(-1)?.command === 'pause');
      const audited = (await auditOf(jobId)).filter(({ outcome }) => outcome === 'done');
      assert.deepEqual(
        audited.toSorted((a, b) => Number(a.command) - Number(b.command)).map(({ act }) => act),
        log.map(({ command: word }) => `job.${word}`),
      );
      if (job?.paused) assert.ok((await command(scheduler, jobId, 'resume')).ok);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.balance.recordsIn], ['completed', 60]);
    }));

  test('a cancel and a redrive of a job that just ended: one generation, and the cancel hits one of them or none', () =>
    withHost({ chunk: (chunk) => (chunk === 0 ? { class: 'input', code: 'INPUT_NOT_FOUND' } : slowly(20)()) }, async () => {
      const jobId = await accepted(scheduler, 'cancel-redrive', bench.spec(await bench.file('cr.txt', 4), {}, 'cancel-redrive'));
      assert.equal((await untilEnd(scheduler, jobId)).state, 'failed');
      const answers = await Promise.all([
        redrive(scheduler, jobId),
        command(scheduler, jobId, 'cancel'),
        redrive(scheduler, jobId),
        command(scheduler, jobId, 'cancel'),
      ]);
      const log = await commandsOf(jobId);
      assert.deepEqual(
        log.filter(({ opens }) => opens !== null).map(({ opens }) => opens),
        [2],
        'two redrives cannot both open generation 2',
      );
      for (const { command: word, generation } of log) if (word === 'cancel') assert.equal(generation, 2, 'a cancel names a generation that is open');
      const end = await untilEnd(scheduler, jobId, 2);
      assert.equal(end.state, log.some(({ command: word }) => word === 'cancel') ? 'cancelled' : 'failed', JSON.stringify(answers));
    }));
});

describe('a command at a bad moment', () => {
  test('a pause while the job is planned holds it there, and a resume lets it go on', () => {
    const { promise: asked, resolve: goOn } = Promise.withResolvers<void>();
    return withHost({ chunk: () => asked.then(() => 'commit' as const) }, async () => {
      const files = await Promise.all(Array.from({ length: 8 }, (_, at) => bench.file(`planning/${at}.txt`, 3)));
      const jobId = await accepted(scheduler, 'planning', bench.spec(files, {}, 'planning'));
      const paused = await command(scheduler, jobId, 'pause');
      goOn();
      assert.ok(paused.ok);
      await untilStatus(scheduler, jobId, ({ state, chunks }) => state === 'paused' && chunks.running === 0 && chunks.queued === 0);
      await sleep(250);
      assert.equal((await statusOf(scheduler, jobId)).state, 'paused');
      assert.ok((await command(scheduler, jobId, 'resume')).ok);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.balance.recordsIn], ['completed', 24]);
    });
  });

  test('a cancel while receipts are written leaves every receipt, one manifest, and nothing lost or twice for the redrive', () => {
    const committing = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const script: Script = {
      chunk: async (chunk, attempt): Promise<ScriptedEnd> => {
        if (chunk === 1 && attempt === 1) {
          committing.resolve();
          // The receipt lands after the cancel, and perhaps after the manifest.
          await go.promise;
        }
        return 'commit';
      },
    };
    return withHost(script, async () => {
      const jobId = await accepted(scheduler, 'late-receipt', bench.spec(await bench.file('late.txt', 12), { execution: { maxConcurrency: 2 } }, 'late'));
      await committing.promise;
      assert.ok((await command(scheduler, jobId, 'cancel')).ok);
      const cancelled = await untilEnd(scheduler, jobId);
      assert.equal(cancelled.state, 'cancelled');
      go.resolve();
      const { journal } = scheduler.control;
      for (let receipt = null; receipt === null; await sleep(10)) receipt = await journal.readVerdict(jobId, 'read', 1, 1);
      assert.deepEqual(await journal.listManifests(jobId), [1]);
      assert.equal((await journal.readManifest(jobId, 1))?.record.state, 'cancelled');
      const again = await redrive(scheduler, jobId);
      assert.ok(again.ok, JSON.stringify(again));
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.committed, status.balance.recordsIn], ['completed', 12, 12]);
      const late = await journal.readVerdict(jobId, 'read', 1, 1);
      assert.equal(late?.record.outcome, 'committed', 'a receipt that landed late counts and is not run again');
      assert.equal(await journal.readVerdict(jobId, 'read', 1, 2), null);
      if (late?.record.outcome === 'committed') assert.equal(sumsOfReceipt(late.record).balance.recordsIn, 1);
    });
  });

  test('at random moments of its life never leaves a job between its states', () =>
    withHost({ chunk: slowly(3) }, async () => {
      for (let round = 0; round < 8; round++) {
        const jobId = await accepted(scheduler, `random-${round}`, bench.spec(await bench.file(`random-${round}.txt`, 12), {}, `random-${round}`));
        await sleep(round * 35);
        const answer = await command(scheduler, jobId, 'cancel');
        const { state } = await untilStatus(scheduler, jobId, (status) => isTerminalJobState(status.state));
        // A cancel that comes while the manifest is being put may be too late: the manifest decides.
        const isLate = !answer.ok || answer.status.state === 'finishing' || answer.status.state === 'completed';
        assert.ok(state === 'cancelled' ? answer.ok : isLate, `round ${round}: ${state} after ${JSON.stringify(answer)}`);
        assert.deepEqual(await scheduler.control.journal.listManifests(jobId), [1]);
      }
    }));

  test('that stands in the journal alone is found and done', () =>
    withHost({ chunk: slowly(40) }, async () => {
      const { control } = scheduler;
      const jobId = await accepted(scheduler, 'untold', bench.spec(await bench.file('untold.txt', 60), {}, 'untold'));
      await untilStatus(scheduler, jobId, (status) => status.chunks.committed > 0);
      const none = { opens: null, select: [], resultVersion: null, spec: null, specDigest: null };
      const append = { jobId, command: 'cancel' as const, generation: 1, ...none, reason: 'by hand', by: 'test', at: control.clock.nowIso() };
      await control.journal.appendCommand(jobId, () => ({ append }));
      assert.equal((await untilEnd(scheduler, jobId)).state, 'cancelled');
    }));

  test('whose answer was lost is asked again and is the same command', () =>
    withHost({ chunk: slowly(40) }, async () => {
      const { requests, ledger } = scheduler.control.queues;
      const jobId = await accepted(scheduler, 'again', bench.spec(await bench.file('again.txt', 40), {}, 'again'));
      await untilStatus(scheduler, jobId, (status) => status.chunks.committed > 0);
      const request = { kind: 'command', requestId: newRequestId(idSource()), tenant: 'default', by: 'test', jobId, command: 'pause', reason: '' } as const;
      const first = await requests.ask(request, { timeoutMs: 120_000 });
      assert.ok(first.ok);
      // A scheduler that died between command and answer: the intake task comes back to another one.
      const { commandJob } = await import('./commands.ts');
      const second = await commandJob(request, scheduler.control);
      assert.ok(second.ok && second.number === first.number, JSON.stringify(second));
      assert.equal((await commandsOf(jobId)).length, 1);
      assert.equal((await ledger.job(jobId))?.paused, true);
      assert.ok((await command(scheduler, jobId, 'cancel')).ok, 'what is paused can be cancelled');
      assert.equal((await untilEnd(scheduler, jobId)).state, 'cancelled');
    }));

  test('of another tenant finds no job, and is audited as refused', async () => {
    const { control } = scheduler;
    await withHost({}, async () => {
      const jobId = await accepted(scheduler, 'foreign', bench.spec(await bench.file('foreign.txt', 1), {}, 'foreign'));
      const foreign = { kind: 'command', requestId: newRequestId(idSource()), tenant: 'other', by: 'other', jobId, command: 'cancel', reason: '' } as const;
      const answer = await control.queues.requests.ask(foreign, { timeoutMs: 120_000 });
      assert.ok(!answer.ok && answer.code === 'NOT_FOUND');
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
      assert.deepEqual(
        (await auditOf(jobId)).map(({ act, outcome, before }) => [act, outcome, before]),
        [['job.cancel', 'refused', null]],
      );
    });
  });
});

describe('a time limit', () => {
  test('does not count a pause', async () => {
    let aheadMs = 0;
    const nowMs = (): number => systemClock.nowMs() + aheadMs;
    // Alone, so that the one whose clock is moved leads.
    await bench.stopScheduler(scheduler);
    scheduler = await bench.startScheduler({ clock: { ...systemClock, nowMs, nowIso: () => new Date(nowMs()).toISOString() } });
    const { promise: asked, resolve: goOn } = Promise.withResolvers<void>();
    await withHost({ chunk: () => asked.then(() => 'commit' as const) }, async () => {
      const jobId = await accepted(scheduler, 'limit', bench.spec(await bench.file('limit.txt', 10), { execution: { jobTimeLimit: '10m' } }, 'limit'));
      const paused = await command(scheduler, jobId, 'pause');
      goOn();
      assert.ok(paused.ok);
      aheadMs = 11 * 60_000;
      assert.ok((await command(scheduler, jobId, 'resume')).ok);
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
    });
  });
});
