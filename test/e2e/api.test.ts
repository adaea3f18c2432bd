/** The API over a real scheduler, worker host, Redis and journal: a job from its submit to its result, as a program and as a person in a browser do it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { JobSpecInput } from '@millrace/protocol';
import { startTestRedis } from '@millrace/queues/testing';
import { silentLog } from '@millrace/service-kit';
import { startApi } from '../../packages/api/src/start-api.ts';
import { ApiError, createClient } from '../../packages/api-contract/src/client.ts';
import { type ApiStack, newToken, startApiStack } from './support/api-stack.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const bench = new Workbench('api');
const out = bench.path('out');
let api: ApiStack;

before(async () => {
  api = await startApiStack({ out, readRoots: [bench.home] });
});
after(async () => {
  await api?.stop();
  await bench.close();
});

const isProblem =
  (code: string, status: number) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ApiError, String(error));
    assert.deepEqual([error.code, error.status], [code, status], error.message);
    return true;
  };

test('a job is submitted, followed to its end and found again', async () => {
  const { directory, expected } = bench.generate('orders', { records: 5_000, files: 2 });
  const spec = generatedSpec(directory, bench.path('out', 'orders'), '128KiB');
  const { client } = api;
  const submitted = await client.reply('POST /jobs', { body: { spec } }, { idempotencyKey: 'orders-1' });
  assert.deepEqual([submitted.status, submitted.data.replayed], [202, false]);
  const { jobId } = submitted.data;

  const again = await client.reply('POST /jobs', { body: { spec } }, { idempotencyKey: 'orders-1' });
  assert.deepEqual([again.status, again.data.jobId, again.data.replayed, again.replayed], [200, jobId, true, true]);
  const other = { ...spec, rejects: { maxRows: 1 } };
  await assert.rejects(client.call('POST /jobs', { body: { spec: other } }, { idempotencyKey: 'orders-1' }), (error) => {
    isProblem('KEY_CONFLICT', 422)(error);
    assert.match(JSON.stringify((error as ApiError).problem.details), /maxRows/);
    return true;
  });

  let result = await client.call('GET /jobs/{jobId}/result', { params: { jobId }, query: { wait: '60s' } });
  for (let tries = 0; 'state' in result && tries < 3; tries++)
    result = await client.call('GET /jobs/{jobId}/result', { params: { jobId }, query: { wait: '60s' } });
  assert.ok(!('state' in result), JSON.stringify(result));
  const { recordsIn, rejected } = result.balance;
  assert.deepEqual([recordsIn, rejected], [expected.balance.recordsIn, expected.balance.rejected]);

  const job = await client.reply('GET /jobs/{jobId}', { params: { jobId } });
  assert.deepEqual([job.data.state, job.data.idempotencyKey, job.data.balance.recordsIn], ['completed', 'orders-1', recordsIn]);
  assert.ok(
    job.data.budgets.some(({ budget, value }) => budget === 'rejects.maxRatio' && value === rejected),
    JSON.stringify(job.data.budgets),
  );
  assert.ok(job.etag);
  const unchanged = await fetch(`${api.url}/v1/jobs/${jobId}`, { headers: { authorization: `Bearer ${api.token}`, 'if-none-match': job.etag ?? '' } });
  assert.equal(unchanged.status, 304);

  const list = await client.call('GET /jobs', { query: { q: 'state:completed name:orders*' } });
  assert.deepEqual(
    list.data.map((one) => [one.jobId, one.state]),
    [[jobId, 'completed']],
  );
  assert.deepEqual([list.total, list.nextCursor, list.filter], [1, null, 'state:completed name:orders*']);
  const { specDigest, pins } = await client.call('GET /jobs/{jobId}/spec', { params: { jobId } });
  assert.equal(specDigest, job.data.specDigest);
  assert.ok(pins);
  const manifest = await client.call('GET /jobs/{jobId}/manifest', { params: { jobId } });
  assert.equal(manifest['state'], 'completed');
  await assert.rejects(client.call('POST /jobs/{jobId}/pause', { params: { jobId } }), isProblem('STATE_CONFLICT', 409));

  const { data: acts } = await client.call('GET /audit', { query: { q: 'act:job.*' } });
  const ends = acts.filter(({ outcome, by }) => outcome !== null && by === 'token:dev').map(({ act, outcome, code }) => [act, outcome, code]);
  assert.deepEqual(ends.slice(-3), [
    ['job.submit', 'refused', 'KEY_CONFLICT'],
    ['job.submit', 'done', null],
    ['job.submit', 'done', null],
  ]);
});

const cancel = (jobId: string, reason: string) =>
  api.client.reply('POST /jobs/{jobId}/cancel', { params: { jobId }, body: { reason } }, { idempotencyKey: '"stop it"' });

test('the same call with the same key is done once, and another one with it is refused', async () => {
  const { client } = api;
  const { jobId, first } = await whileChunksWait(api.stack.redisUrl, async () => {
    const { directory } = bench.generate('steered', { records: 200 });
    const spec = generatedSpec(directory, bench.path('out', 'steered'), '64KiB');
    const submitted = await client.call('POST /jobs', { body: { spec } });
    const ends = await Promise.allSettled([cancel(submitted.jobId, 'enough'), cancel(submitted.jobId, 'enough')]);
    // Of two at once one may be told that the other is under way.
    for (const end of ends) if (end.status === 'rejected') isProblem('KEY_IN_FLIGHT', 409)(end.reason);
    const done = ends.find((end) => end.status === 'fulfilled');
    assert.ok(done);
    return { jobId: submitted.jobId, first: done.value };
  });
  const again = await cancel(jobId, 'enough');
  assert.deepEqual([again.replayed, again.data], [true, first.data]);
  await assert.rejects(cancel(jobId, 'for another reason'), isProblem('KEY_CONFLICT', 422));
  const { data: commands } = await client.call('GET /audit', { query: { q: `act:job.cancel object:job:${jobId} by:token:dev` } });
  const done = commands.filter(({ outcome }) => outcome === 'done');
  // One pair for one act, though the scheduler did it; refused calls have pairs of their own.
  assert.deepEqual(
    done.map(({ role, reason, from, after }) => [role, reason, from !== null, after?.['state']]),
    [['admin', 'enough', true, first.data.state]],
  );
  const [begun] = commands.filter(({ auditId }) => auditId === done[0]?.follows);
  assert.equal(begun?.before?.['generation'], 1);
});

test('a list shows what others submit, and a job that was opened again', async () => {
  const { client, stack } = api;
  const { directory } = bench.generate('others', { records: 300 });
  const { jobId } = await stack.producer.submit(
    generatedSpec(directory, bench.path('out', 'others'), '64KiB', { name: 'of-others' }) as unknown as JobSpecInput,
  );
  const found = async (q: string) => (await client.call('GET /jobs', { query: { q } })).data.map((one) => [one.jobId, one.state, one.generation] as const);
  const untilListed = (id: string, generation: number): Promise<void> => {
    let seen: unknown;
    return until(
      `generation ${generation} to be listed as completed`,
      async () => {
        const [job] = (await found(`id:${id}`)) as readonly (readonly [string, string, number])[];
        seen = job;
        return job?.[1] === 'completed' && job[2] === generation;
      },
      { describe: () => JSON.stringify(seen) },
    );
  };
  await untilListed(jobId, 1);
  assert.deepEqual(await found('name:of-others'), [[jobId, 'completed', 1]]);

  const held = await whileChunksWait(stack.redisUrl, async () => {
    const spec = generatedSpec(directory, bench.path('out', 'cancelled'), '64KiB');
    const submitted = await client.call('POST /jobs', { body: { spec } });
    await cancel(submitted.jobId, 'to open it again');
    return submitted.jobId;
  });
  await until('the end of the cancelled job', async () => (await found(`id:${held} state:cancelled`)).length === 1, { describe: () => held });
  const plan = await client.call('POST /redrives/plans', { body: { target: 'jobs', ids: [held] } });
  await client.call('POST /redrives', { body: { planId: plan.planId, confirm: plan.confirm, reason: 'again' } });
  await untilListed(held, 2);
});

test('while Redis is away pages come from the journal and acts are refused, at once and without a fault', async () => {
  const redis = await startTestRedis();
  const { data: known } = await api.client.call('GET /jobs', { query: { q: 'state:completed' } });
  const jobId = known[0]?.jobId ?? assert.fail('no job is there');
  const token = newToken();
  const running = await startApi({
    redis: redis.url,
    journal: pathToFileURL(join(out, '_journal')).href,
    core: bench.core,
    host: '127.0.0.1',
    port: 0,
    environment: 'production',
    requestsPerMinute: 1_000,
    devToken: token,
    timeScale: 0.1,
    readRoots: [],
    writeRoots: [],
    scratch: bench.temporary,
    version: '0',
    checkAnswers: true,
    log: silentLog,
  });
  try {
    const client = createClient({ baseUrl: running.url, token });
    await redis.stop();
    const list = await client.call('GET /jobs', { query: { q: 'state:completed' } });
    assert.deepEqual(list.data, known);
    const job = await client.call('GET /jobs/{jobId}', { params: { jobId } });
    assert.deepEqual([job.state, job.source], ['completed', 'journal']);
    assert.ok(!('state' in (await client.call('GET /jobs/{jobId}/result', { params: { jobId } }))));
    const status = await client.call('GET /status', {});
    assert.equal(status.status, 'degraded');
    const spec = generatedSpec(bench.path('orders'), bench.path('out', 'x'), '64KiB');
    await assert.rejects(client.call('POST /jobs', { body: { spec } }), (error) => {
      isProblem('BUSY', 503)(error);
      assert.ok((error as ApiError).retryable && (error as ApiError).retryAfterSeconds !== null);
      return true;
    });
    // Marked production: an act without a reason is refused before anything else.
    await assert.rejects(client.call('POST /jobs/{jobId}/pause', { params: { jobId } }), isProblem('REASON_REQUIRED', 422));
  } finally {
    await running.stop();
    await redis.stop();
  }
});
