/**
 * The steering half of the API through real processes: dead letters planned, a canary that fails and one that holds, a waiver that completes a job that failed
 * for its budget, rejects replayed, schedules, queues, hosts, and the numbers of the overview.
 */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ApiError } from '../../packages/api-contract/src/client.ts';
import type { OperationView } from '../../packages/api-contract/src/resources/operations.ts';
import type { PlanView } from '../../packages/api-contract/src/resources/redrives.ts';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { isSealed, manifest } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const bench = new Workbench('api-steering');
const out = bench.path('out');
let api: ApiStack;

before(async () => {
  api = await startApiStack({ out, readRoots: [bench.home], hostSlots: [1, 1] });
});
after(async () => {
  await api?.stop();
  await bench.close();
});

const isProblem =
  (code: string, status: number, pointer?: string) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ApiError, String(error));
    assert.deepEqual([error.code, error.status], [code, status], error.message);
    if (pointer !== undefined)
      assert.deepEqual(
        error.problem.errors?.map((issue) => issue.pointer),
        [pointer],
        JSON.stringify(error.problem),
      );
    return true;
  };

async function untilOperation(operationId: string, isIt: (operation: OperationView) => boolean): Promise<OperationView> {
  let last: OperationView | null = null;
  await until(
    'the operation',
    async () => {
      last = await api.client.call('GET /operations/{operationId}', { params: { operationId } });
      return isIt(last);
    },
    { every: 50, describe: () => JSON.stringify(last) },
  );
  return last as unknown as OperationView;
}

async function untilEnd(jobId: string, generation = 1): Promise<string> {
  let state = '';
  await until(
    'the end of the job',
    async () => {
      const job = await api.client.call('GET /jobs/{jobId}', { params: { jobId } });
      ({ state } = job);
      return job.generation === generation && ['completed', 'failed', 'cancelled'].includes(state);
    },
    { every: 50, describe: () => state },
  );
  return state;
}

/** Asks again while the index of dead letters is being made. */
async function planned<T>(ask: () => Promise<T>): Promise<T> {
  let found: { readonly plan: T } | null = null;
  await until('a plan', async () => {
    try {
      found = { plan: await ask() };
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.code === 'REBUILDING') return false;
      throw error;
    }
  });
  return (found as unknown as { plan: T }).plan;
}

/** A job of three files, the second of which is gone when its chunks run. */
async function brokenJob(name: string, changes: Record<string, unknown>): Promise<{ jobId: string; gone: string; away: string; place: string }> {
  const { directory } = bench.generate(name, { records: 20_000, files: 3 });
  const [gone, away] = [join(directory, 'orders-02.csv'), join(directory, 'away-02')];
  const place = bench.path('out', name);
  const spec = { ...generatedSpec(directory, place, '64KiB', changes), name };
  return whileChunksWait(api.stack.redisUrl, async () => {
    const { jobId } = await api.client.call('POST /jobs', { body: { spec } }, { idempotencyKey: name });
    await until('the plan', () => isSealed(out, jobId));
    renameSync(gone, away);
    return { jobId, gone, away, place };
  });
}

describe('dead letters', () => {
  let job: Awaited<ReturnType<typeof brokenJob>>;
  let total = 0;

  test('are planned: the dry run counts, and nothing runs', async () => {
    job = await brokenJob('heals', { deadLetters: { maxChunks: null, maxRatio: null } });
    assert.equal(await untilEnd(job.jobId), 'completed');
    total = manifest(out, job.jobId, 1).gaps.length;
    assert.ok(total > 3);
    const ask = () => api.client.reply('POST /redrives/plans', { body: { target: 'deadLetters', filter: `job:${job.jobId}` } });
    await assert.rejects(planned(ask), isProblem('PLAN_EMPTY', 422));
    renameSync(job.away, job.gone);
    const { data: plan, status } = await planned(ask);
    assert.equal(status, 201);
    assert.deepEqual(plan.counts, { matched: total, willRedrive: total, resolvedSince: 0, cannot: 0 });
    assert.deepEqual([plan.confirm, plan.byCode, plan.jobs.length, plan.operationId], [total, { INPUT_NOT_FOUND: total }, 1, null]);
    assert.ok(plan.bytesToRead > 0 && plan.canary === null);
    const page = await api.client.call('GET /redrives/plans/{planId}/items', { params: { planId: plan.planId }, query: { limit: 2 } });
    assert.deepEqual([page.data.length, page.total, page.data[0]?.jobId], [2, total, job.jobId]);
    const ids = new Set(page.data.map(({ id }) => id));
    for (let { nextCursor } = page; nextCursor !== null; ) {
      const next = await api.client.call('GET /redrives/plans/{planId}/items', { params: { planId: plan.planId }, query: { limit: 2, cursor: nextCursor } });
      for (const { id } of next.data) ids.add(id);
      ({ nextCursor } = next);
    }
    assert.equal(ids.size, total);
    assert.equal((await api.client.call('GET /redrives/plans/{planId}', { params: { planId: plan.planId } })).planId, plan.planId);
    const byIds = await api.client.call('POST /redrives/plans', { body: { target: 'deadLetters', ids: [...ids].slice(0, 2) } });
    assert.deepEqual([byIds.confirm, byIds.filter], [2, null]);
  });

  test('are redriven behind a canary that fails, steered, and healed', async () => {
    const plan = await api.client.call('POST /redrives/plans', { body: { target: 'deadLetters', filter: `job:${job.jobId}` } });
    const { planId, confirm } = plan;
    await assert.rejects(api.client.call('POST /redrives', { body: { planId, confirm: confirm + 1 } }), isProblem('CONFIRM_MISMATCH', 422));
    renameSync(job.gone, job.away);
    const start = () =>
      api.client.reply(
        'POST /redrives',
        { body: { planId, confirm, rate: null, canary: { count: 2, minResolved: 0.8 }, reason: 'the file is back' } },
        { idempotencyKey: 'heal-1' },
      );
    const started = await start();
    assert.deepEqual([started.status, started.data.counts.total, started.data.does, started.data.reason], [202, total, 'redrive', 'the file is back']);
    const { operationId } = started.data;
    assert.equal((await start()).data.operationId, operationId);
    await assert.rejects(api.client.call('POST /redrives', { body: { planId, confirm } }), isProblem('PLAN_USED', 409));
    const paused = await untilOperation(operationId, ({ state }) => state === 'paused');
    assert.deepEqual([paused.why?.code, paused.counts.failedAgain], ['CANARY_FAILED', 2]);
    const overview = await api.client.call('GET /stats/overview', {});
    const need = overview.needsYou.find(({ kind }) => kind === 'operationPaused');
    assert.deepEqual([need?.id, need?.count], [operationId, 2]);
    assert.ok(overview.deadLetters.open >= 2 && overview.deadLetters.oldestAt !== null);
    renameSync(job.away, job.gone);
    const params = { operationId };
    const steered = await api.client.call('PATCH /operations/{operationId}', { params, body: { state: 'running', rate: 500, reason: 'try again' } });
    assert.deepEqual([steered.rate, steered.why], [500, null]);
    const done = await untilOperation(operationId, ({ endedAt }) => endedAt !== null);
    assert.deepEqual([done.state, done.counts.resolved, done.counts.failedAgain], ['finished', total - 2, 2]);
    await assert.rejects(api.client.call('PATCH /operations/{operationId}', { params, body: { state: 'paused' } }), isProblem('STATE_CONFLICT', 409));
    assert.equal(await untilEnd(job.jobId, 2), 'completed');
    const failed = await api.client.call('GET /operations/{operationId}/items', { params, query: { outcome: 'failedAgain' } });
    assert.deepEqual(
      failed.data.map(({ outcome, why }) => [outcome, why?.code]),
      [
        ['failedAgain', 'INPUT_NOT_FOUND'],
        ['failedAgain', 'INPUT_NOT_FOUND'],
      ],
    );
    const list = await api.client.call('GET /operations', { query: { q: `state:finished job:${job.jobId}` } });
    assert.deepEqual([list.total, list.data[0]?.operationId, list.filter], [1, operationId, `state:finished job:${job.jobId}`]);
    await assert.rejects(api.client.call('GET /operations', { query: { q: 'stat:finished' } }), isProblem('FILTER_INVALID', 400, '/query/q'));
  });

  test('are waived: a job that failed for its budget alone completes, and its gaps name who and why', async () => {
    const failing = await brokenJob('waives', { deadLetters: { maxChunks: 0, maxRatio: null, onExceeded: 'finish' } });
    assert.equal(await untilEnd(failing.jobId), 'failed');
    const before = manifest(out, failing.jobId, 1);
    assert.equal(before.failure?.code, 'BUDGET_DEAD_LETTERS');
    const plan = await api.client.call('POST /waivers/plans', { body: { target: 'deadLetters', filter: `job:${failing.jobId}` } });
    const { dead, committed } = before.chunks;
    assert.ok(dead > 3);
    assert.deepEqual([plan.confirm, plan.target, plan.reduceAgain], [dead, 'waiveDeadLetters', []]);
    const { planId, confirm } = plan;
    await assert.rejects(api.client.call('POST /redrives', { body: { planId, confirm } }), isProblem('REQUEST_INVALID', 400, '/planId'));
    await assert.rejects(api.client.call('POST /waivers', { body: { planId, confirm, reason: '' } }), isProblem('REQUEST_INVALID', 400, '/reason'));
    const operation = await api.client.call('POST /waivers', { body: { planId, confirm, reason: 'the sender lost that file' } });
    const done = await untilOperation(operation.operationId, ({ endedAt }) => endedAt !== null);
    assert.deepEqual([done.does, done.state, done.counts.resolved], ['waive', 'finished', confirm]);
    assert.equal(await untilEnd(failing.jobId, 2), 'completed', JSON.stringify(manifest(out, failing.jobId, 2).failure));
    const after = manifest(out, failing.jobId, 2);
    assert.deepEqual([after.state, after.gaps.length, after.chunks.committed], ['completed', dead, committed]);
    assert.ok(
      after.gaps.every(({ acceptedBy, reason }) => acceptedBy === 'token:dev' && reason?.endsWith('the sender lost that file')),
      JSON.stringify(after.gaps),
    );
    const ask = () => api.client.call('POST /redrives/plans', { body: { target: 'deadLetters', filter: `job:${failing.jobId}` } });
    await assert.rejects(ask(), isProblem('FILTER_EMPTY', 422));
    const items = await api.client.call('GET /operations/{operationId}/items', { params: { operationId: operation.operationId }, query: {} });
    assert.ok(items.data.length > 0 && items.data.every(({ outcome }) => outcome === 'resolved'));
  });
});

describe('jobs', () => {
  test('that failed for a budget are judged anew by a larger one, and nothing of them runs twice', async () => {
    const failing = await brokenJob('raises', { deadLetters: { maxChunks: 0, maxRatio: null, onExceeded: 'finish' } });
    assert.equal(await untilEnd(failing.jobId), 'failed');
    const { dead, committed } = manifest(out, failing.jobId, 1).chunks;
    renameSync(failing.away, failing.gone);
    const ask = (overrides: Record<string, unknown>) => api.client.call('POST /redrives/plans', { body: { target: 'jobs', ids: [failing.jobId], overrides } });
    await assert.rejects(ask({ 'deadLetters.maxChunk': 5 }), (error) => {
      assert.ok(error instanceof ApiError && error.code === 'SPEC_UNKNOWN_FIELD', String(error));
      assert.equal(error.problem.errors?.[0]?.suggestion, 'maxChunks');
      return true;
    });
    const plan = await ask({ 'deadLetters.maxChunks': 5 });
    assert.deepEqual([plan.confirm, plan.changes], [dead, [{ jobId: failing.jobId, pointer: '/deadLetters/maxChunks', first: 0, now: 5 }]]);
    const { operationId } = await api.client.call('POST /redrives', { body: { planId: plan.planId, confirm: dead, reason: 'the file is back' } });
    const done = await untilOperation(operationId, ({ endedAt }) => endedAt !== null);
    assert.deepEqual([done.state, done.counts.resolved, done.overrides], ['finished', dead, { 'deadLetters.maxChunks': 5 }]);
    assert.equal(await untilEnd(failing.jobId, 2), 'completed');
    assert.deepEqual(manifest(out, failing.jobId, 2).chunks, { total: dead + committed, committed: dead + committed, dead: 0, open: 0 });
  });
});

describe('rejects', () => {
  test('are replayed as they are: those that cannot be better fail again, and each is told', async () => {
    const lines = Array.from({ length: 600 }, (_, at) => `${at + 1};${at % 100 === 7 ? 'none' : at}\n`);
    writeFileSync(bench.path('numbers.csv'), `id;amount\n${lines.join('')}`);
    const fields = [
      { name: 'id', type: 'integer' },
      { name: 'amount', type: 'integer' },
    ];
    const place = pathToFileURL(`${bench.path('out', 'numbers')}/`).href;
    const spec = { name: 'numbers', inputs: { uri: pathToFileURL(bench.path('numbers.csv')).href, format: 'csv' }, schema: { fields }, output: { uri: place } };
    const { jobId } = await api.client.call('POST /jobs', { body: { spec } }, { idempotencyKey: 'numbers' });
    assert.equal(await untilEnd(jobId), 'completed');
    const ask = (body: Record<string, unknown>): Promise<PlanView> =>
      api.client.call('POST /redrives/plans', { body: { target: 'rejects', ...body } as never });
    await assert.rejects(ask({ filter: 'code:TYPE_*' }), isProblem('REQUEST_INVALID', 400, '/jobId'));
    await assert.rejects(ask({ jobId, filter: 'codes:TYPE_*' }), isProblem('FILTER_INVALID', 400, '/filter'));
    await assert.rejects(ask({ jobId, ids: [`${jobId}.numbers.0.r999`] }), isProblem('REJECT_UNKNOWN', 422));
    const plan = await ask({ jobId, filter: 'code:TYPE_*', overrides: { 'schema.fields.1.type': 'string' } }).catch((error: unknown) => error);
    assert.ok(plan instanceof ApiError, 'another type is another output');
    const same = await ask({ jobId, filter: 'code:TYPE_*' });
    assert.deepEqual([same.confirm, same.byCode, same.target, same.canary], [6, { TYPE_INTEGER: 6 }, 'rejects', null]);
    const operation = await api.client.call('POST /redrives', { body: { planId: same.planId, confirm: 6, reason: 'once more' } });
    const done = await untilOperation(operation.operationId, ({ endedAt }) => endedAt !== null);
    assert.deepEqual([done.does, done.state, done.counts.failedAgain, done.counts.resolved], ['replay', 'finished', 6, 0]);
    const { data } = await api.client.call('GET /operations/{operationId}/items', { params: { operationId: operation.operationId }, query: {} });
    assert.deepEqual(
      data.map(({ outcome, why }) => [outcome, why?.code]),
      data.map(() => ['failedAgain', 'TYPE_INTEGER']),
    );
    assert.equal(data.length, 6);
  });
});

describe('schedules', () => {
  const spec = (cron: string) => ({
    name: 'nightly',
    inputs: { uri: pathToFileURL(bench.path('numbers.csv')).href, format: 'csv' },
    output: { uri: pathToFileURL(`${bench.path('out', 'nightly')}/`).href, ifNotEmpty: 'append' },
    schedule: { cron, timezone: 'Europe/Berlin' },
  });
  const params = { name: 'nightly' };

  test('are put, seen with their next fires, fired, paused, changed with their version, and taken out', async () => {
    const made = await api.client.reply('PUT /schedules/{name}', { params, body: { spec: spec('30 2 * * *'), reason: 'every night' } });
    assert.deepEqual([made.status, made.data.version, made.data.cron, made.data.next.length, made.etag], [201, 1, '30 2 * * *', 5, '"1"']);
    assert.deepEqual([made.data.timezone, made.data.overlap, made.data.changedBy, made.data.reason], ['Europe/Berlin', 'skip', 'token:dev', 'every night']);
    const fired = await api.client.call('POST /schedules/{name}/fire', { params, body: {} });
    const [run] = fired.runs;
    assert.ok(run?.outcome === 'fired' && run.jobId !== null);
    assert.equal(await untilEnd(run.jobId), 'completed');
    const { data } = await api.client.call('GET /schedules', {});
    assert.deepEqual([data.length, data[0]?.runs[0]?.jobState], [1, 'completed']);
    const again = () => api.client.call('PUT /schedules/{name}', { params, body: { spec: spec('0 3 * * *') } });
    await assert.rejects(again(), isProblem('ETAG_MISMATCH', 412));
    const { etag } = await api.client.reply('GET /schedules/{name}', { params });
    const ifMatch = etag ?? '';
    const changed = await api.client.reply('PUT /schedules/{name}', { params, body: { spec: spec('0 3 * * *') } }, { ifMatch });
    assert.deepEqual([changed.status, changed.data.cron, changed.data.runs.length], [200, '0 3 * * *', 1]);
    const paused = await api.client.call('POST /schedules/{name}/pause', { params, body: { reason: 'holidays' } });
    assert.deepEqual([paused.paused, paused.next], [true, []]);
    assert.equal((await api.client.call('POST /schedules/{name}/resume', { params })).paused, false);
    await assert.rejects(api.client.call('DELETE /schedules/{name}', { params }, { ifMatch: '"1"' }), isProblem('ETAG_MISMATCH', 412));
    const now = await api.client.reply('GET /schedules/{name}', { params });
    await api.client.call('DELETE /schedules/{name}', { params }, { ifMatch: now.etag ?? '' });
    await assert.rejects(api.client.call('GET /schedules/{name}', { params }), isProblem('NOT_FOUND', 404));
  });

  test('that are wrong are refused with the place', async () => {
    const put = (body: Record<string, unknown>) => api.client.call('PUT /schedules/{name}', { params, body: body as never });
    await assert.rejects(put({ spec: spec('61 * * * *') }), isProblem('SPEC_CRON', 422, '/spec/schedule/cron'));
    await assert.rejects(put({ spec: { ...spec('* * * * *'), name: 'other' } }), isProblem('REQUEST_INVALID', 400, '/spec/name'));
    await assert.rejects(put({ spec: { ...spec('* * * * *'), schedule: undefined } }), isProblem('SPEC_MISSING_FIELD', 422, '/spec/schedule'));
    await assert.rejects(put({}), isProblem('REQUEST_INVALID', 400, '/spec'));
  });
});

describe('queues and hosts', () => {
  test('queues are listed with who takes from them; one is paused, bounded and resumed, by its version', async () => {
    const { data } = await api.client.call('GET /queues', {});
    assert.deepEqual(
      data.map(({ kind }) => kind),
      ['chunk', 'plan', 'finish', 'intake'],
    );
    const [chunk] = data;
    assert.ok(chunk !== undefined);
    assert.deepEqual([chunk.consumers, chunk.slots, chunk.paused, chunk.version], [2, 2, false, 0]);
    assert.ok(chunk.backlog !== null && chunk.windowLimit !== null);
    const params = { name: chunk.name };
    const steer = (body: object, ifMatch: string) => api.client.reply('PATCH /queues/{name}', { params, body: { reason: 'a test', ...body } }, { ifMatch });
    await assert.rejects(
      api.client.call('PATCH /queues/{name}', { params, body: { paused: true, reason: 'x' } }),
      isProblem('REQUEST_INVALID', 400, '/headers/if-match'),
    );
    const paused = await steer({ paused: true }, '"0"');
    assert.deepEqual([paused.data.paused, paused.data.version, paused.data.setting?.reason, paused.data.setting?.by], [true, 1, 'a test', 'token:dev']);
    await assert.rejects(steer({ paused: false }, '"0"'), isProblem('ETAG_MISMATCH', 412));
    const overview = await api.client.call('GET /stats/overview', {});
    await until('the overview says so', async () => {
      const { needsYou } = await api.client.call('GET /stats/overview', {});
      return needsYou.some(({ kind, id }) => kind === 'queuePaused' && id === chunk.name);
    });
    assert.equal(overview.hosts.ready, 2);
    const resumed = await steer({ paused: false, maxConcurrency: 1 }, '"1"');
    assert.deepEqual([resumed.data.paused, resumed.data.maxConcurrency, resumed.data.version], [false, 1, 2]);
    assert.equal((await steer({ maxConcurrency: null }, '"2"')).data.maxConcurrency, null);
    const intake = { params: { name: 'intake' }, body: { paused: true, reason: 'x' } };
    await assert.rejects(api.client.call('PATCH /queues/{name}', intake, { ifMatch: '"0"' }), isProblem('STATE_CONFLICT', 409));
    const finish = { params: { name: data[2]?.name ?? '' }, body: { maxConcurrency: 1, reason: 'x' } };
    await assert.rejects(api.client.call('PATCH /queues/{name}', finish, { ifMatch: '"0"' }), isProblem('REQUEST_INVALID', 400, '/maxConcurrency'));
    await assert.rejects(api.client.call('GET /queues/{name}', { params: { name: 'chunk-other-r9' } }), isProblem('NOT_FOUND', 404));
    await assert.rejects(api.client.call('GET /queues/{name}', { params: { name: 'Chunks' } }), isProblem('REQUEST_INVALID', 400, '/params/name'));
    const nothing = { params, body: { reason: 'x' } };
    await assert.rejects(api.client.call('PATCH /queues/{name}', nothing, { ifMatch: '"3"' }), isProblem('REQUEST_INVALID', 400));
  });

  test('a pool wants hosts, and says why; an unknown one is never a zero', async () => {
    let scaling = await api.client.call('GET /stats/scaling', { query: { pool: 'default' } });
    await until('nothing is in hand', async () => {
      scaling = await api.client.call('GET /stats/scaling', { query: { pool: 'default' } });
      return scaling.slotsWanted === 0;
    });
    assert.deepEqual([scaling.podsWanted, scaling.limitedBy, scaling.podsReady, scaling.slotsPerPod], [1, 'minPods', 2, 1]);
    assert.ok(scaling.ageMs < 15_000 && scaling.decisions.length > 0 && scaling.bands.length === 3);
    await assert.rejects(api.client.call('GET /stats/scaling', { query: { pool: 'gpu' } }), (error) => {
      isProblem('POOL_UNKNOWN', 404)(error);
      assert.deepEqual((error as ApiError).problem.details, { pools: ['default'] });
      return true;
    });
    await assert.rejects(api.client.call('GET /stats/scaling', { query: {} as never }), isProblem('REQUEST_INVALID', 400, '/query/pool'));
  });

  test('throughput holds what the jobs read, once', async () => {
    const series = await api.client.call('GET /stats/throughput', { query: { window: '1h' } });
    assert.deepEqual([series.stepSeconds, series.steps], [10, 360]);
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
    assert.ok(sum(series.attempts.committed) > 10 && sum(series.attempts.failed) > 3 && sum(series.dead) > 3);
    assert.ok(sum(series.bytesIn) > 500_000 && sum(series.records.rejected) > 0);
    assert.ok(series.waitP95Ms.some((ms) => ms !== null));
    const week = await api.client.call('GET /stats/throughput', { query: { window: '7d' } });
    assert.deepEqual([week.stepSeconds, sum(week.attempts.committed)], [1_800, sum(series.attempts.committed)]);
    await assert.rejects(api.client.call('GET /stats/throughput', { query: { window: '2h' as never } }), isProblem('REQUEST_INVALID', 400, '/query/window'));
  });

  test('a host is drained and leaves', async () => {
    const { data } = await api.client.call('GET /workers', {});
    assert.equal(data.length, 2);
    const [host] = data;
    assert.ok(host !== undefined && host.slots === 1 && host.heartbeatAgeMs < 10_000 && !host.draining && !host.drainAsked);
    assert.ok((host.memoryBytes ?? 0) > 50_000_000, 'a host of Node with a core takes more');
    const params = { workerId: host.workerId };
    const asked = await api.client.reply('POST /workers/{workerId}/drain', { params, body: { reason: 'its node goes' } });
    assert.deepEqual([asked.status, asked.data.drainAsked], [202, true]);
    await until('the host has left', async () => {
      const now = await api.client.call('GET /workers', {});
      return now.data.every(({ workerId }) => workerId !== host.workerId) || now.data.some((one) => one.workerId === host.workerId && !one.drainAsked);
    });
    await assert.rejects(api.client.call('GET /workers/{workerId}', { params: { workerId: 'w-none' } }), isProblem('NOT_FOUND', 404));
  });
});

describe('bad input', () => {
  const jobId = `j${'0'.repeat(26)}`;
  const rows: readonly (readonly [string, () => Promise<unknown>, string, number, string?])[] = [
    ['a plan of nothing', () => api.client.call('POST /redrives/plans', { body: { target: 'deadLetters' } }), 'REQUEST_INVALID', 400, '/filter'],
    [
      'a target that is none',
      () => api.client.call('POST /redrives/plans', { body: { target: 'all' as never, filter: 'x' } }),
      'REQUEST_INVALID',
      400,
      '/target',
    ],
    [
      'two ways of saying',
      () => api.client.call('POST /redrives/plans', { body: { target: 'deadLetters', filter: 'x', ids: ['y'] } }),
      'REQUEST_INVALID',
      400,
      '',
    ],
    [
      'a field of a filter',
      () => api.client.call('POST /redrives/plans', { body: { target: 'deadLetters', filter: 'cod:X' } }),
      'FILTER_INVALID',
      400,
      '/filter',
    ],
    ['a field of the body', () => api.client.call('POST /redrives/plans', { body: { target: 'jobs', filtr: 'x' } as never }), 'REQUEST_INVALID', 400, '/filtr'],
    [
      'another tenant',
      () => api.client.call('POST /redrives/plans', { body: { target: 'jobs', filter: 'state:failed', tenant: 'A' } }),
      'REQUEST_INVALID',
      400,
      '/tenant',
    ],
    ['a job that is none', () => api.client.call('POST /redrives/plans', { body: { target: 'rejects', jobId, filter: 'x' } }), 'NOT_FOUND', 404],
    ['a plan that is none', () => api.client.call('GET /redrives/plans/{planId}', { params: { planId: `p${'0'.repeat(26)}` } }), 'NOT_FOUND', 404],
    ['an id of a plan', () => api.client.call('GET /redrives/plans/{planId}', { params: { planId: 'p1' } }), 'REQUEST_INVALID', 400, '/params/planId'],
    ['a start of a plan that is none', () => api.client.call('POST /redrives', { body: { planId: `p${'0'.repeat(26)}`, confirm: 1 } }), 'NOT_FOUND', 404],
    ['a rate', () => api.client.call('POST /redrives', { body: { planId: `p${'0'.repeat(26)}`, confirm: 1, rate: -1 } }), 'REQUEST_INVALID', 400, '/rate'],
    ['a cursor', () => api.client.call('GET /operations', { query: { cursor: 'bm9uZQ' } }), 'CURSOR_INVALID', 400, '/query/cursor'],
    ['a limit', () => api.client.call('GET /operations', { query: { limit: 0 } }), 'REQUEST_INVALID', 400, '/query/limit'],
    [
      'a state',
      () => api.client.call('PATCH /operations/{operationId}', { params: { operationId: `o${'0'.repeat(26)}` }, body: { state: 'done' as never } }),
      'REQUEST_INVALID',
      400,
      '/state',
    ],
    ['an instant', () => api.client.call('GET /stats/overview', { query: { since: 'friday' } }), 'REQUEST_INVALID', 400, '/query/since'],
  ];
  for (const [name, ask, code, status, pointer] of rows)
    test(`${name} is answered by a problem that names the place`, () => assert.rejects(ask(), isProblem(code, status, pointer)));
});
