/** Waivers through real queues and a real journal: what they change, what they leave alone, and that neither a lost Redis nor a dead leader undoes or doubles them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Waivers } from '@millrace/journal';
import { type AnswerTo, type Command, type JobId, type JobSpec, newRequestId, type Operation, type RedrivePlan, type Request } from '@millrace/protocol';
import { idSource } from '@millrace/service-kit';
import type { RunningScheduler } from '../start-scheduler.ts';
import { accepted, Bench, redrive, untilEnd } from '../testing/fixture.ts';
import { type Script, type ScriptedHost, startScriptedHost } from '../testing/scripted-host.ts';

const ids = idSource();
const strict: Partial<JobSpec> = { deadLetters: { maxChunks: 0, maxRatio: null, onExceeded: 'finish' } };
const dies = { class: 'input', code: 'INPUT_CORRUPT' } as const;

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

async function ask<Kind extends Request['kind']>(kind: Kind, body: object): Promise<AnswerTo<Kind>> {
  const request = { kind, requestId: newRequestId(ids), tenant: 'default', by: 'user:ann', ...body } as unknown as Request;
  for (;;) {
    const answer = (await scheduler.control.queues.requests.ask(request, { timeoutMs: 120_000 })) as AnswerTo<Kind>;
    if (answer.ok || !answer.code.endsWith('REBUILDING')) return answer;
    Object.assign(request, { requestId: newRequestId(ids) });
    await sleep(20);
  }
}

async function plan(jobId: JobId, more = ''): Promise<RedrivePlan> {
  const answer = await ask('planRedrive', { target: 'waiveDeadLetters', filter: `job:${jobId}${more}` });
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  return answer.plan;
}

async function waived(of: RedrivePlan): Promise<Operation> {
  const answer = await ask('startRedrive', { planId: of.planId, confirm: of.confirm, rate: null, canary: null, reason: 'the sender lost them' });
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  const { operationId } = answer.operation;
  for (const startMs = performance.now(); ; await sleep(20)) {
    const now = await ask('operation', { operationId });
    if (now.ok && now.operation.endedAt !== null) return now.operation;
    if (performance.now() - startMs > 120_000) throw new Error(`it did not end: ${JSON.stringify(now)}`);
  }
}

async function letters(jobId: JobId): Promise<number> {
  const answer = await ask('deadLetters', { filter: `job:${jobId}` });
  if (!answer.ok) throw new Error(answer.message);
  return answer.total;
}

async function flush(): Promise<void> {
  await promisify(execFile)('redis-cli', ['-s', bench.redis.url.slice('unix://'.length), 'flushall']);
}

test('a waiver of all its dead letters completes a job, and none of its chunks runs again', () =>
  withHost({ chunk: (chunk) => (chunk < 3 ? dies : 'commit') }, async (host) => {
    const jobId = await accepted(scheduler, 'all', bench.spec(await bench.file('all.txt', 8), { name: 'all', ...strict }, 'all'));
    assert.equal((await untilEnd(scheduler, jobId)).failure?.code, 'BUDGET_DEAD_LETTERS');
    const before = host.attempts.length;
    const operation = await waived(await plan(jobId));
    assert.deepEqual([operation.target, operation.state, operation.counts.resolved], ['waiveDeadLetters', 'finished', 3]);
    const status = await untilEnd(scheduler, jobId, 2);
    assert.deepEqual([status.state, status.chunks.committed, status.chunks.dead, status.failure], ['completed', 5, 3, null]);
    assert.equal(host.attempts.length, before);
    assert.equal(await letters(jobId), 0);
    // Everything is forgotten but the journal.
    await flush();
    assert.equal(await letters(jobId), 0, 'they do not come back with a new ledger');
    const items = await ask('operationItems', { operationId: operation.operationId });
    assert.ok(items.ok && items.items.every(({ outcome }) => outcome === 'resolved') && items.items.length === 3);
  }));

test('what was not waived still fails the job; a second waiver completes it', () =>
  withHost({ chunk: (chunk) => (chunk < 3 ? { class: 'input', code: chunk === 0 ? 'INPUT_TRUNCATED' : 'INPUT_CORRUPT' } : 'commit') }, async () => {
    const jobId = await accepted(scheduler, 'some', bench.spec(await bench.file('some.txt', 5), { name: 'some', ...strict }, 'some'));
    await untilEnd(scheduler, jobId);
    const first = await plan(jobId, ' code:INPUT_CORRUPT');
    assert.equal(first.confirm, 2);
    await waived(first);
    const failed = await untilEnd(scheduler, jobId, 2);
    assert.deepEqual([failed.state, failed.failure?.message], ['failed', 'deadLetters: expected at most 0 chunks (maxChunks), got 1 dead']);
    assert.equal(await letters(jobId), 1);
    await waived(await plan(jobId));
    assert.equal((await untilEnd(scheduler, jobId, 3)).state, 'completed');
  }));

test('chunks that were waived and redriven later count again, for what they come to', () =>
  withHost({ chunk: (chunk, attempt) => ((chunk === 0 && attempt === 1) || chunk === 1 ? dies : 'commit') }, async () => {
    const jobId = await accepted(scheduler, 'later', bench.spec(await bench.file('later.txt', 4), { name: 'later', ...strict }, 'later'));
    await untilEnd(scheduler, jobId);
    await waived(await plan(jobId));
    assert.equal((await untilEnd(scheduler, jobId, 2)).state, 'completed');
    const again = await redrive(scheduler, jobId, { select: ['read.0', 'read.1'] });
    assert.ok(again.ok);
    const status = await untilEnd(scheduler, jobId, 3);
    assert.deepEqual([status.state, status.chunks.committed, status.chunks.dead], ['failed', 3, 1]);
    assert.equal(await letters(jobId), 1, 'the letter of generation 3 is nobody’s to accept yet');
  }));

test('a file that could not be planned is waived too', () =>
  withHost({ unplannable: (file) => (file.file === 1 ? { file: 1, uri: file.uri, code: 'INPUT_NOT_FOUND', message: 'gone' } : null) }, async () => {
    const uris = [await bench.file('files/a.txt', 2), await bench.file('files/b.txt', 2)];
    const jobId = await accepted(scheduler, 'files', bench.spec(uris, { name: 'files', ...strict }, 'files'));
    assert.equal((await untilEnd(scheduler, jobId)).state, 'failed');
    const frozen = await plan(jobId);
    assert.deepEqual([frozen.confirm, frozen.byCode], [1, { INPUT_NOT_FOUND: 1 }]);
    await waived(frozen);
    const status = await untilEnd(scheduler, jobId, 2);
    assert.deepEqual([status.state, status.chunks.committed], ['completed', 2]);
    assert.equal(await letters(jobId), 0);
    await flush();
    assert.equal(await letters(jobId), 0);
  }));

test('a leader that dies behind the command leaves the next one nothing to do twice', async () => {
  const script: Script = { chunk: (chunk) => (chunk < 2 ? dies : 'commit') };
  const frozen: RedrivePlan[] = [];
  await withHost(script, async () => {
    const id = await accepted(scheduler, 'dies', bench.spec(await bench.file('dies.txt', 4), { name: 'dies', ...strict }, 'dies'));
    await untilEnd(scheduler, id);
    frozen.push(await plan(id));
  });
  const [{ planId, jobs } = assert.fail('there is no plan')] = frozen;
  const [{ jobId } = assert.fail('the plan has no job')] = jobs;
  const answer = await ask('startRedrive', { planId, confirm: 2, rate: null, canary: null, reason: 'once' });
  assert.ok(answer.ok);
  await bench.stopScheduler(scheduler);
  await flush();
  scheduler = await bench.startScheduler();
  await withHost(script, async (host) => {
    assert.equal((await untilEnd(scheduler, jobId, 2)).state, 'completed');
    assert.deepEqual(host.attempts, []);
  });
  const commands = await scheduler.control.journal.readCommands(jobId);
  assert.deepEqual(
    commands.map(({ command, opens, by, select }) => [command, opens, by, select]),
    [['waive', 2, 'user:ann', ['read.0', 'read.1']]],
  );
});

test('which waiver holds for which letter', () => {
  const command = (word: Command['command'], opens: number, select: Command['select']): Command => ({ command: word, opens, select }) as unknown as Command;
  const waivers = new Waivers([
    command('waive', 2, ['read.1', 'plan.0']),
    command('redrive', 3, ['read.1']),
    command('redrive', 4, 'all'),
    command('waive', 5, ['read.1']),
  ]);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((generation) => waivers.of('read', 1, generation)?.opens ?? null),
    [5, 5, 5, 5, null, null],
  );
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((generation) => waivers.of('plan', 0, generation)?.opens ?? null),
    [2, 2, 2, null, null],
  );
  assert.equal(waivers.of('read', 2, 1), null);
});
