/** Plans, operations and error groups through real queues and a real journal; how each attempt ends is scripted. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AnswerTo,
  type JobId,
  type JobSpec,
  jobIdFromKey,
  newRequestId,
  type Operation,
  operationIdOf,
  type PlanRedriveRequest,
  type RedrivePlan,
  type Request,
  type StartRedriveRequest,
} from '@millrace/protocol';
import { idSource } from '@millrace/service-kit';
import type { RunningScheduler } from '../start-scheduler.ts';
import { accepted, Bench, command, redrive, untilEnd } from '../testing/fixture.ts';
import { type Script, type ScriptedHost, startScriptedHost } from '../testing/scripted-host.ts';

const tolerant: Partial<JobSpec> = { deadLetters: { maxChunks: null, maxRatio: null } };
const dies = (code: string) => ({ class: 'input', code }) as const;
const ids = idSource();

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

type Body<Kind extends Request['kind']> = Omit<Extract<Request, { kind: Kind }>, 'requestId' | 'tenant' | 'by' | 'kind'>;

async function ask<Kind extends Request['kind']>(kind: Kind, body: Partial<Body<Kind>>, tenant = 'default'): Promise<AnswerTo<Kind>> {
  const request = { kind, requestId: newRequestId(ids), tenant, by: 'test', ...body } as unknown as Request;
  return (await scheduler.control.queues.requests.ask(request, { timeoutMs: 120_000 })) as AnswerTo<Kind>;
}

/** Asks again while the index of a new epoch is being made. */
async function plan(body: Partial<Body<'planRedrive'>> & Partial<PlanRedriveRequest>): Promise<RedrivePlan> {
  for (;;) {
    const answer = await ask('planRedrive', body);
    if (answer.ok) return answer.plan;
    if (answer.code !== 'REBUILDING') throw new Error(`${answer.code}: ${answer.message}`);
    await sleep(20);
  }
}

async function start(of: RedrivePlan, changes: Partial<StartRedriveRequest> = {}): Promise<Operation> {
  const answer = await ask('startRedrive', { planId: of.planId, confirm: of.confirm, rate: null, canary: null, reason: 'a test', ...changes });
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  return answer.operation;
}

async function operation(operationId: string): Promise<Operation> {
  const answer = await ask('operation', { operationId });
  if (!answer.ok) throw new Error(answer.message);
  return answer.operation;
}

async function until(operationId: string, isIt: (operation: Operation) => boolean): Promise<Operation> {
  for (const startMs = performance.now(); ; await sleep(20)) {
    const now = await operation(operationId);
    if (isIt(now)) return now;
    if (performance.now() - startMs > 120_000) throw new Error(`it did not come to that: ${JSON.stringify(now)}`);
  }
}

const isOver = ({ endedAt }: Operation): boolean => endedAt !== null;

async function outcomes(operationId: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let after: number | null = 0; after !== null; ) {
    const answer: AnswerTo<'operationItems'> = await ask('operationItems', { operationId, after, limit: 7 });
    if (!answer.ok) throw new Error(answer.message);
    for (const { outcome } of answer.items) counts[outcome] = (counts[outcome] ?? 0) + 1;
    ({ after } = answer);
  }
  return counts;
}

/** A job whose chunks die by number as `death` says, run to its end. */
async function deadJob(name: string, chunks: number, changes: Partial<JobSpec> = tolerant): Promise<JobId> {
  const jobId = await accepted(scheduler, name, bench.spec(await bench.file(`${name}.txt`, chunks), { name, ...changes }, name));
  await untilEnd(scheduler, jobId);
  return jobId;
}

/** The receipt of generation 1 stands in the journal. */
async function committed(jobId: JobId, chunk: number): Promise<void> {
  while ((await scheduler.control.journal.readVerdict(jobId, 'read', chunk, 1)) === null) await sleep(20);
}

/** A job of one chunk that was cancelled once the chunk had begun and `reached` holds. */
async function cancelledBehind(name: string, host: ScriptedHost, reached: () => Promise<void>): Promise<JobId> {
  const jobId = await accepted(scheduler, name, bench.spec(await bench.file(`${name}.txt`, 1), { name }, name));
  while (host.attempts.length === 0) await sleep(20);
  await reached();
  assert.ok((await command(scheduler, jobId, 'cancel')).ok);
  assert.equal((await untilEnd(scheduler, jobId)).state, 'cancelled');
  return jobId;
}

describe('a plan', () => {
  test('freezes what a filter holds for, and counts it', () =>
    withHost({ chunk: (chunk) => (chunk < 4 ? dies(chunk < 3 ? 'INPUT_CORRUPT' : 'INPUT_TRUNCATED') : 'commit') }, async () => {
      const jobId = await deadJob('freeze', 8);
      const all = await plan({ filter: `job:${jobId}` });
      assert.deepEqual(all.counts, { matched: 4, willRedrive: 4, resolvedSince: 0, cannot: 0 });
      assert.deepEqual(all.byCode, { INPUT_CORRUPT: 3, INPUT_TRUNCATED: 1 });
      assert.deepEqual([all.bytesToRead, all.confirm, all.filter], [40, 4, `job:${jobId}`]);
      assert.deepEqual(all.jobs, [{ jobId, name: 'freeze', state: 'completed', generation: 1, items: 4 }]);
      assert.equal(Date.parse(all.expiresAt) - Date.parse(all.asOf), 15 * 60_000);
      for (const [filter, count] of [
        ['code:INPUT_TRUNCATED', 1],
        ['-code:INPUT_TRUNCATED class:input', 3],
        ['file:freeze.txt offset:10..25', 2],
        ['offset:>=30', 1],
        ['age:<1h attempts:1 bytes:10 stage:read', 4],
      ] as const) {
        assert.equal((await plan({ filter: `job:${jobId} ${filter}` })).confirm, count, filter);
      }
    }));

  const refusals: readonly (readonly [string, Partial<Body<'planRedrive'>>, string])[] = [
    ['with a field that is not there', { filter: 'cod:X' }, 'FILTER_INVALID'],
    ['that matches nothing', { filter: 'name:nobody' }, 'FILTER_EMPTY'],
    ['of everything and of ids', { filter: '', ids: ['x'] }, 'REQUEST_INVALID'],
    ['that changes the name', { filter: 'job:*', overrides: { name: 'other' } }, 'SPEC_CONFLICT'],
    ['that changes the output', { filter: 'job:*', overrides: { 'output.format': 'csv' } }, 'SPEC_CONFLICT'],
    ['with a place that is not there', { filter: 'job:*', overrides: { 'execution.none.x': 1 } }, 'SPEC_UNKNOWN_FIELD'],
    ['with another schema', { filter: 'job:*', overrides: { schema: 'text' } }, 'SPEC_NOT_AVAILABLE'],
  ];
  for (const [name, body, code] of refusals) {
    test(`${name} is refused as ${code}`, async () => {
      await plan({ filter: 'job:*' });
      const answer = await ask('planRedrive', body);
      assert.ok(!answer.ok);
      assert.equal(answer.code, code, answer.message);
    });
  }

  test('says what cannot be redriven and why, and what was resolved since', async () => {
    let broken = true;
    await withHost({ chunk: (chunk, _, { jobId }) => (broken && (chunk < 2 || jobId === '') ? dies('INPUT_CORRUPT') : 'commit') }, async () => {
      const gone = await deadJob('gone', 3);
      const changed = await deadJob('changed', 3);
      await rm(join(bench.directory, 'in', 'gone.txt'));
      await writeFile(join(bench.directory, 'in', 'changed.txt'), 'x'.repeat(30));
      const kept = await deadJob('kept', 3);
      const found = await plan({ filter: `job:${gone},${changed},${kept}` });
      assert.deepEqual(found.counts, { matched: 6, willRedrive: 2, resolvedSince: 0, cannot: 4 });
      const reasons = found.cannot.map(({ id, reason }) => `${id.slice(0, 27)} ${reason}`);
      assert.deepEqual(new Set(reasons), new Set([`${gone} INPUT_NOT_FOUND`, `${changed} INPUT_CHANGED`]));
      broken = false;
      assert.ok((await redrive(scheduler, kept, { select: ['read.0'] })).ok);
      await untilEnd(scheduler, kept, 2);
      const again = await plan({ ids: [`${kept}.read.0.1`, `${kept}.read.1.1`, `${kept}.read.9.1`, 'nothing'] });
      assert.deepEqual(again.counts, { matched: 4, willRedrive: 1, resolvedSince: 1, cannot: 2 });
      const empty = await ask('planRedrive', { filter: `job:${gone}` });
      assert.ok(!empty.ok && empty.code === 'PLAN_EMPTY' && /INPUT_NOT_FOUND 2/.test(empty.message));
    });
  });

  test('is of its tenant alone', async () => {
    const found = await plan({ filter: 'job:*' });
    const other = await ask('redrivePlan', { planId: found.planId }, 'other');
    assert.ok(!other.ok && other.code === 'NOT_FOUND');
    const started = await ask('startRedrive', { planId: found.planId, confirm: found.confirm, reason: '' }, 'other');
    assert.ok(!started.ok && started.code === 'NOT_FOUND');
    const empty = await ask('planRedrive', { filter: 'job:*' }, 'other');
    assert.ok(!empty.ok && empty.code === 'FILTER_EMPTY');
  });
});

describe('an operation', () => {
  test('redrives the items of its plan and nothing else, and each gets its outcome', async () => {
    let broken = true;
    const script: Script = { chunk: (chunk) => (chunk < 6 && (broken || chunk === 5) ? dies(chunk < 3 ? 'INPUT_CORRUPT' : 'INPUT_TRUNCATED') : 'commit') };
    await withHost(script, async (host) => {
      const jobId = await deadJob('operate', 9);
      const some = await plan({ filter: `job:${jobId} code:INPUT_TRUNCATED` });
      broken = false;
      host.attempts.length = 0;
      const wrong = await ask('startRedrive', { planId: some.planId, confirm: 2, reason: '' });
      assert.ok(!wrong.ok && wrong.code === 'CONFIRM_MISMATCH');
      const started = await start(some, { idempotencyKey: 'key' });
      assert.equal(started.operationId, operationIdOf(some.planId));
      const ended = await until(started.operationId, isOver);
      assert.deepEqual([ended.state, ended.counts], ['finished', { total: 3, released: 3, resolved: 2, failedAgain: 1, skipped: 0 }]);
      assert.deepEqual(host.attempts.toSorted(), ['3@2', '4@2', '5@2']);
      assert.deepEqual(await outcomes(ended.operationId), { resolved: 2, failedAgain: 1 });
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.committed, status.chunks.dead], ['completed', 5, 4]);
      const replayed = await ask('startRedrive', { planId: some.planId, confirm: 3, reason: '', idempotencyKey: 'key' });
      assert.ok(replayed.ok && replayed.replayed && replayed.operation.operationId === ended.operationId);
      const used = await ask('startRedrive', { planId: some.planId, confirm: 3, reason: '', idempotencyKey: 'other' });
      assert.ok(!used.ok && used.code === 'PLAN_USED');
      const rest = await plan({ filter: `job:${jobId}` });
      assert.deepEqual([rest.confirm, rest.byCode], [4, { INPUT_CORRUPT: 3, INPUT_TRUNCATED: 1 }], 'letters of both generations are open');
    });
  });

  test('stops behind a canary that fails, and goes on when somebody says so', async () => {
    let broken = true;
    await withHost({ chunk: () => (broken ? dies('INPUT_CORRUPT') : 'commit') }, async (host) => {
      const jobId = await deadJob('canary', 40);
      const all = await plan({ filter: `job:${jobId}` });
      host.attempts.length = 0;
      const { operationId } = await start(all, { canary: { count: 5, minResolved: 0.8 } });
      const paused = await until(operationId, ({ state }) => state === 'paused');
      assert.equal(paused.why?.code, 'CANARY_FAILED');
      assert.deepEqual([paused.counts.resolved, paused.counts.failedAgain, paused.counts.released], [0, 5, 5]);
      assert.deepEqual(host.attempts.toSorted(), ['0@2', '1@2', '2@2', '3@2', '4@2'], 'no more than the canary ran');
      broken = false;
      const resumed = await ask('steerOperation', { operationId, act: 'resume', reason: 'fixed' });
      assert.ok(resumed.ok && resumed.operation.canaryPassed);
      const ended = await until(operationId, isOver);
      assert.deepEqual(ended.counts, { total: 40, released: 40, resolved: 35, failedAgain: 5, skipped: 0 });
    });
  });

  test('goes on by itself behind a canary that holds, and pauses when most of the newest fail again', async () => {
    let broken = true;
    await withHost({ chunk: (chunk) => (broken || chunk >= 10 ? dies('INPUT_CORRUPT') : 'commit') }, async () => {
      const jobId = await deadJob('again', 120);
      const all = await plan({ filter: `job:${jobId}` });
      broken = false;
      const { operationId } = await start(all, { canary: { count: 10, minResolved: 0.9 }, rate: 6 });
      const paused = await until(operationId, ({ state }) => state === 'paused');
      assert.equal(paused.why?.code, 'FAILING_AGAIN');
      assert.equal(paused.counts.resolved, 10);
      const aborted = await ask('steerOperation', { operationId, act: 'abort', reason: 'enough' });
      assert.ok(aborted.ok && aborted.operation.state === 'aborted');
      const ended = await until(operationId, isOver);
      const { resolved, failedAgain, skipped } = ended.counts;
      assert.deepEqual([ended.state, resolved, resolved + failedAgain + skipped], ['aborted', 10, 120]);
      assert.ok(skipped > 0 && failedAgain >= 26, JSON.stringify(ended.counts));
      assert.deepEqual(await outcomes(operationId), { resolved, failedAgain, skipped });
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.chunks.committed, status.chunks.dead], [10, 110]);
      assert.equal((await plan({ filter: `job:${jobId}` })).confirm, 110, 'what was given up can be redriven');
      const late = await ask('steerOperation', { operationId, act: 'pause', reason: '' });
      assert.ok(!late.ok && late.code === 'STATE_CONFLICT');
    });
  });

  test('keeps its rate, and stands still while it is paused', async () => {
    let broken = true;
    await withHost({ chunk: () => (broken ? dies('INPUT_CORRUPT') : 'commit') }, async (host) => {
      const jobId = await deadJob('rate', 60);
      const all = await plan({ filter: `job:${jobId}` });
      broken = false;
      host.attempts.length = 0;
      const startedMs = performance.now();
      const { operationId } = await start(all, { rate: 8 });
      await until(operationId, ({ counts }) => counts.resolved >= 3);
      assert.ok((await ask('steerOperation', { operationId, act: 'pause', reason: 'look' })).ok);
      // A look that was under way when it was paused may still let some begin; from the next one on it stands.
      let stood = -1;
      await until(operationId, ({ counts }) => {
        const stands = counts.resolved === counts.released && host.attempts.length === stood;
        stood = host.attempts.length;
        return stands;
      });
      const seconds = (performance.now() - startedMs) / 1_000;
      assert.ok(stood <= 8 * seconds + 1, `${stood} in ${seconds} s`);
      await sleep(300);
      assert.equal(host.attempts.length, stood);
      assert.ok((await ask('steerOperation', { operationId, act: 'rate', rate: 1_000, reason: '' })).ok);
      assert.ok((await ask('steerOperation', { operationId, act: 'resume', reason: '' })).ok);
      const ended = await until(operationId, isOver);
      assert.deepEqual([ended.state, ended.counts.resolved], ['finished', 60]);
    });
  });

  test('waits for a job that runs, and skips what another redrive has taken', async () => {
    let broken = true;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const script: Script = {
      chunk: async (chunk, _, { generation }) => {
        if (chunk === 0 && broken) return dies('INPUT_CORRUPT');
        if (chunk === 1 && generation === 1) await held;
        return chunk === 2 && generation < 3 ? dies('INPUT_CORRUPT') : 'commit';
      },
    };
    await withHost(script, async () => {
      const jobId = await accepted(scheduler, 'waits', bench.spec(await bench.file('waits.txt', 3), { name: 'waits', ...tolerant }, 'waits'));
      let early: RedrivePlan | null = null;
      while (early === null) early = (await plan({ filter: `job:${jobId}` }).catch(() => null)) as RedrivePlan | null;
      while (early.confirm < 2) early = await plan({ filter: `job:${jobId}` });
      assert.ok(early.warnings.some(({ message }) => /wait for the end of generation 1/.test(message)));
      const { operationId } = await start(early);
      const waiting = await until(operationId, ({ jobs }) => jobs[0]?.why?.code === 'STATE_CONFLICT');
      assert.equal(waiting.state, 'running');
      broken = false;
      release();
      const ended = await until(operationId, isOver);
      assert.deepEqual(ended.counts, { total: 2, released: 2, resolved: 1, failedAgain: 1, skipped: 0 });
      await untilEnd(scheduler, jobId, 2);
      const late = await plan({ filter: `job:${jobId}` });
      assert.ok((await redrive(scheduler, jobId)).ok);
      await untilEnd(scheduler, jobId, 3);
      const skipped = await until((await start(late)).operationId, isOver);
      assert.deepEqual([skipped.state, skipped.counts], ['finished', { total: 1, released: 0, resolved: 0, failedAgain: 0, skipped: 1 }]);
      assert.deepEqual(await outcomes(skipped.operationId), { skipped: 1 });
    });
  });

  test('reopens failed jobs whole, with other limits', async () => {
    let broken = true;
    const script: Script = {
      unplannable: (file, generation) => (generation === 1 && file.file === 1 ? { file: 1, uri: file.uri, code: 'INPUT_NOT_FOUND', message: 'gone' } : null),
      chunk: (chunk) => (broken && chunk === 0 ? dies('INPUT_CORRUPT') : 'commit'),
    };
    await withHost(script, async () => {
      const uris = [await bench.file('whole/a.txt', 2), await bench.file('whole/b.txt', 3)];
      const jobId = await accepted(scheduler, 'whole', bench.spec(uris, { name: 'whole' }, 'whole'));
      assert.equal((await untilEnd(scheduler, jobId)).state, 'failed');
      broken = false;
      const all = await plan({ target: 'jobs', ids: [jobId], overrides: { 'execution.maxAttempts': 7, 'deadLetters.maxChunks': 3 } });
      assert.deepEqual(
        [all.confirm, all.changes.map(({ pointer, now }) => [pointer, now])],
        [
          2,
          [
            ['/deadLetters/maxChunks', 3],
            ['/execution/maxAttempts', 7],
          ],
        ],
      );
      const ended = await until((await start(all)).operationId, isOver);
      assert.deepEqual(ended.counts, { total: 2, released: 2, resolved: 2, failedAgain: 0, skipped: 0 });
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.committed], ['completed', 5]);
      assert.equal((await scheduler.control.facts.spec(jobId, 2))?.spec.execution.maxAttempts, 7);
      const never = await ask('planRedrive', { target: 'jobs', ids: [jobId] });
      assert.ok(!never.ok && never.code === 'PLAN_EMPTY');
    });
  });

  test('completes a job that was cancelled when everything was committed', () =>
    withHost({ chunk: () => 'mute' }, async (host) => {
      const jobId = await cancelledBehind('whole-mute', host, async () => {
        await committed(jobIdFromKey('default', 'whole-mute'), 0);
      });
      const all = await plan({ target: 'jobs', ids: [jobId] });
      assert.deepEqual([all.counts, all.jobs.map(({ items }) => items)], [{ matched: 1, willRedrive: 1, resolvedSince: 0, cannot: 0 }, [1]]);
      host.attempts.length = 0;
      const ended = await until((await start(all)).operationId, isOver);
      assert.deepEqual([ended.state, ended.counts], ['finished', { total: 1, released: 1, resolved: 1, failedAgain: 0, skipped: 0 }]);
      assert.deepEqual(await outcomes(ended.operationId), { resolved: 1 });
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.committed, host.attempts], ['completed', 1, []]);
    }));

  test('completes a cancelled job whose last chunk was committed behind the plan', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const script: Script = { chunk: () => held.then(() => 'mute' as const) };
    await withHost(script, async (host) => {
      const jobId = await cancelledBehind('whole-late', host, async () => undefined);
      const all = await plan({ target: 'jobs', ids: [jobId] });
      assert.equal(all.confirm, 1);
      release();
      await committed(jobId, 0);
      const ended = await until((await start(all)).operationId, isOver);
      assert.deepEqual([ended.state, ended.counts], ['finished', { total: 1, released: 1, resolved: 1, failedAgain: 0, skipped: 0 }]);
      assert.deepEqual(await outcomes(ended.operationId), { resolved: 1 });
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.committed, host.attempts], ['completed', 1, ['0@1']]);
    });
  });

  test('goes on after its scheduler and Redis were lost, with nothing released twice', async () => {
    await withHost({ chunk: () => dies('INPUT_CORRUPT') }, () => deadJob('lost', 30).then(() => undefined));
    const jobId = jobIdFromKey('default', 'lost');
    const all = await plan({ filter: `job:${jobId}` });
    const { operationId } = await start(all, { canary: { count: 4, minResolved: 1 }, rate: 30 });
    let host = await startScriptedHost(scheduler.control, {});
    await until(operationId, ({ counts }) => counts.resolved >= 6);
    await host.stop();
    await bench.stopScheduler(scheduler);
    await bench.redis.restart();
    scheduler = await bench.startScheduler();
    host = await startScriptedHost(scheduler.control, {});
    try {
      const ended = await until(operationId, isOver);
      assert.deepEqual([ended.state, ended.counts], ['finished', { total: 30, released: 30, resolved: 30, failedAgain: 0, skipped: 0 }]);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.committed, status.generation], ['completed', 30, 2]);
      // They are read back beside everything else, and may come after the last chunk.
      let groups = await ask('errorGroups', { filter: `job:${jobId}` });
      for (; !groups.ok && groups.code === 'REBUILDING'; groups = await ask('errorGroups', { filter: `job:${jobId}` })) await sleep(20);
      assert.ok(groups.ok, JSON.stringify(groups));
      const own = groups.groups.flatMap(({ jobs }) => jobs.filter((job) => job.jobId === jobId));
      assert.deepEqual(
        own.map(({ failures, dead }) => [failures, dead]),
        [[30, 0]],
        'groups come back from the journal',
      );
    } finally {
      await host.stop();
    }
  });
});

describe('an error group', () => {
  test('is seen over jobs, resolved, and regresses when it is seen again', async () => {
    await withHost({ chunk: (chunk) => (chunk === 0 ? dies('INPUT_DIGEST_MISMATCH') : 'commit') }, async () => {
      const first = await deadJob('groups-a', 2);
      const second = await deadJob('groups-b', 2);
      const list = async (filter = 'code:INPUT_DIGEST_MISMATCH') => {
        const answer = await ask('errorGroups', { filter });
        assert.ok(answer.ok, JSON.stringify(answer));
        return answer.groups;
      };
      const [group] = await list();
      assert.ok(group);
      assert.deepEqual([group.failures, group.dead, group.state, group.jobs.map(({ jobId }) => jobId).sort()], [2, 2, 'open', [first, second].sort()]);
      assert.equal(group.places.length, 2);
      const { fingerprint } = group;
      const resolved = await ask('triage', { fingerprint, state: 'resolved', note: 'asked the sender', version: 0 });
      assert.ok(resolved.ok && resolved.group.state === 'resolved' && resolved.group.version === 1);
      assert.deepEqual(await list('code:INPUT_DIGEST_MISMATCH state:open'), []);
      const stale = await ask('triage', { fingerprint, state: 'open', version: 0 });
      assert.ok(!stale.ok && stale.code === 'ETAG_MISMATCH');
      await deadJob('groups-c', 2);
      assert.equal((await list())[0]?.state, 'regressed');
      const ignored = await ask('triage', { fingerprint, state: 'ignored', until: { at: null, failures: 4 } });
      assert.ok(ignored.ok && ignored.group.state === 'ignored');
      await deadJob('groups-d', 2);
      assert.equal((await list())[0]?.state, 'open', 'the fourth ends it');
      const all = await plan({ filter: `fingerprint:${fingerprint}` });
      assert.equal(all.confirm, 4);
      const none = await ask('triage', { fingerprint: 'fp1-none', state: 'resolved' });
      assert.ok(!none.ok && none.code === 'NOT_FOUND');
    });
  });

  test('has attempts that can be read, newest first, over generations', async () => {
    const script: Script = { chunk: (_, attempt) => (attempt < 3 ? { class: 'transient', code: 'STORAGE_TIMEOUT' } : 'commit') };
    await withHost(script, async () => {
      const jobId = await deadJob('attempts', 1);
      const answer = await ask('attempts', { jobId, stage: 'read', chunk: 0 });
      assert.ok(answer.ok);
      assert.deepEqual(
        answer.attempts.map(({ outcome }) => outcome),
        ['committed', 'failed', 'failed'],
      );
      assert.ok((answer.attempts[1]?.endedAt ?? '') >= (answer.attempts[2]?.endedAt ?? ''));
    });
  });
});
