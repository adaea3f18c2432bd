/** The API over a real scheduler, worker host, Redis and journal: a job from its submit to its result, as a program and as a person in a browser do it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApiError } from '../../packages/api-contract/src/client.ts';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
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
