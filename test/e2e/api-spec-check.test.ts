/** A spec before it is a job, over HTTP and real parts: every mistake at its place, how the inputs would be read, how much there is to do; nothing is left behind. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ApiError, type Client, createClient, type DataOf } from '../../packages/api-contract/src/client.ts';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { generatedSpec, Workbench, type WrittenSpec } from './support/workbench.ts';

const bench = new Workbench('api-spec-check');
const out = bench.path('out');
let stack: ApiStack;
let operator: Client;
let data: string;

before(async () => {
  stack = await startApiStack({ out, readRoots: [bench.home] });
  const { secret } = await stack.client.call('POST /tokens', { body: { name: 'operator', role: 'operator', tenants: ['default'], reason: 'a test' } });
  operator = createClient({ baseUrl: stack.url, token: secret });
  data = bench.generate('data', { records: 4_000, files: 3 }).directory;
});
after(async () => {
  await stack?.stop();
  await bench.close();
});

const uriOf = (...path: string[]): string => pathToFileURL(bench.path(...path)).href;
const check = (spec: WrittenSpec, client = operator): Promise<DataOf<'POST /specs/check'>> => client.call('POST /specs/check', { body: { spec }, query: {} });
const placesOf = ({ issues }: DataOf<'POST /specs/check'>): string[][] => issues.map(({ pointer, code }) => [pointer, code]);

/** Names of all files below the output place: the journal is among them, with its audit. Without what a host that still starts tries the store with. */
function filesThere(): string[] {
  const below = (directory: string): string[] =>
    readdirSync(directory, { withFileTypes: true })
      .filter(({ name }) => !name.startsWith('_selftest-'))
      .flatMap((entry) => (entry.isDirectory() ? below(join(directory, entry.name)) : [join(directory, entry.name)]));
  return below(out).sort();
}

test('a spec that fits says how its inputs would be read and how much there is to do, and leaves nothing behind', async () => {
  const spec = generatedSpec(data, join(out, 'orders'), '64KiB');
  const before = filesThere();
  const answer = await check(spec);
  assert.deepEqual(filesThere(), before);
  assert.deepEqual([answer.valid, answer.issues], [true, []]);
  const { plan, pins } = answer;
  assert.deepEqual([plan?.files, plan?.inputs.length, plan?.inputs[0]?.first.length], [3, 1, 3]);
  assert.equal(
    plan?.bytes,
    plan?.inputs[0]?.first.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  assert.equal(plan?.estimatedChunks, Math.ceil((plan?.bytes ?? 0) / 65_536));
  assert.deepEqual(
    pins?.map(({ format, compression }) => [format, compression]),
    [['csv', 'none']],
  );
  const [input] = pins ?? [];
  assert.ok((input?.columns.length ?? 0) > 3 && input?.columns.every(({ type }) => type.length > 0));
  assert.ok(
    input?.evidence.some(({ path, how, confidence }) => path === 'dialect.delimiter' && how === 'detected' && confidence !== null),
    JSON.stringify(input),
  );

  // What was said beforehand is what a submit then pins.
  const { jobId } = await operator.call('POST /jobs', { body: { spec } });
  while (!('rows' in (await operator.call('GET /jobs/{jobId}/result', { params: { jobId }, query: { wait: '60s' } }))));
  const job = await operator.call('GET /jobs/{jobId}/spec', { params: { jobId } });
  assert.equal(job.specDigest, answer.specDigest);
  const [pinned] = (job.pins?.['inputs'] ?? []) as { dialect: unknown; encoding: string; columns: string[] }[];
  assert.deepEqual([pinned?.dialect, pinned?.encoding, pinned?.columns], [input?.dialect, input?.encoding, input?.header]);
});

test('every mistake is told at once, each at its place', async () => {
  const spelled = await check({
    name: 'bad',
    inputs: uriOf('data'),
    outputs: {},
    output: { uri: `${uriOf('out', 'bad')}/`, format: 'parqet' },
    rejects: { maxRows: -1 },
  });
  assert.equal(spelled.valid, false);
  assert.deepEqual([spelled.spec, spelled.pins, spelled.plan], [null, null, null]);
  const places = spelled.issues.map(({ pointer }) => pointer);
  for (const pointer of ['/spec/outputs', '/spec/output/format', '/spec/rejects/maxRows']) assert.ok(places.includes(pointer), places.join(' '));
  assert.equal(spelled.issues.find(({ pointer }) => pointer === '/spec/output/format')?.suggestion, 'parquet');

  // What is written right and cannot be done: a submit would stop at the first.
  mkdirSync(bench.path('out', 'full'), { recursive: true });
  writeFileSync(bench.path('out', 'full', 'theirs.txt'), 'not ours');
  writeFileSync(bench.path('fine.csv'), 'a,b\n1,2\n');
  const several = await check({
    name: 'several',
    inputs: [
      { name: 'gone', uri: uriOf('gone.csv') },
      { name: 'fine', uri: uriOf('fine.csv') },
      { name: 'outside', uri: 'file:///etc/hostname' },
      { name: 'none', uri: `${uriOf('data')}/*.nothing` },
    ],
    pipeline: [{ sql: 'SELEC a FROM input' }],
    output: { uri: `${uriOf('out', 'full')}/` },
  });
  assert.deepEqual(placesOf(several), [
    ['/spec/pipeline/0/sql', 'SPEC_SQL_SYNTAX'],
    ['/spec/output/uri', 'OUTPUT_NOT_EMPTY'],
    ['/spec/inputs/0', 'INPUT_NOT_FOUND'],
    ['/spec/inputs/2', 'STORAGE_FORBIDDEN'],
    ['/spec/inputs/3', 'INPUT_NONE'],
  ]);
  assert.equal(several.plan, null);
  assert.deepEqual(
    several.pins?.map(({ input, header }) => [input, header]),
    [['fine', ['a', 'b']]],
  );
});

test('a submit of a place that cannot be used is refused for good, and says which', async () => {
  const refusals: [string, number][] = [];
  for (const uri of [uriOf('gone.csv'), 'file:///etc/hostname', `${uriOf('data')}/*.nothing`, 's3://nowhere-of-ours/a.csv']) {
    const submit = operator.call('POST /jobs', {
      body: { spec: { name: 'places', inputs: { uri, format: 'csv' }, output: { uri: `${uriOf('out', 'places')}/` } } },
    });
    await submit.then(
      () => assert.fail(`${uri} was accepted`),
      ({ problem }: { problem: { code: string; status: number; retryable: boolean; detail: string } }) => {
        assert.equal(problem.retryable, false, problem.detail);
        assert.ok(problem.detail.includes(uri.replace('file://', '')), problem.detail);
        refusals.push([problem.code, problem.status]);
      },
    );
  }
  assert.deepEqual(refusals, [
    ['INPUT_NOT_FOUND', 410],
    ['STORAGE_FORBIDDEN', 422],
    ['INPUT_NONE', 422],
    ['STORAGE_FORBIDDEN', 422],
  ]);
});

test('an input that cannot be read says why, with what there is to do beside it', async () => {
  const inputs = { uri: uriOf('fine.csv'), format: 'parquet' };
  const answer = await check({ name: 'columns', inputs, output: { uri: `${uriOf('out', 'columns')}/` } });
  assert.deepEqual(placesOf(answer), [['/spec/inputs/0', 'PARQUET_MAGIC']]);
  assert.equal(answer.plan?.files, 1);
  assert.deepEqual(answer.pins, []);
});

test('a sample shows what would be read; its values are for stewards, and each look is recorded', async () => {
  const rows = ['id,name,amount', '1,ada,2.50', 'x,bob,3', '3,"=cmd",4.25', '4,dora,'];
  writeFileSync(bench.path('few.csv'), `${rows.join('\r\n')}\r\n`);
  const field = (name: string, type: string) => ({ name, type });
  const spec = {
    name: 'few',
    inputs: { uri: uriOf('few.csv'), schema: { fields: [field('id', 'integer'), field('name', 'string'), field('amount', 'number')] } },
    output: { uri: `${uriOf('out', 'few')}/` },
  };
  const redacted = await check(spec);
  const [plain] = redacted.samples;
  assert.deepEqual([plain?.records, plain?.rejected, plain?.rows], [4, 1, null], JSON.stringify(redacted));
  assert.deepEqual(plain?.columns, [field('id', 'integer'), field('name', 'string'), field('amount', 'number')]);
  assert.deepEqual(
    plain?.rejects.map(({ record, line, column, code, value }) => [record, line, column, code, value]),
    [[2, 3, 'id', 'TYPE_INTEGER', null]],
  );
  assert.doesNotMatch(JSON.stringify(redacted.samples), /ada|bob|cmd/);
  const asked = { body: { spec }, query: { content: true } };
  await assert.rejects(operator.call('POST /specs/check', asked), (error) => error instanceof ApiError && error.code === 'AUTH_FORBIDDEN');
  const { samples } = await stack.client.call('POST /specs/check', asked);
  assert.deepEqual(samples[0]?.rows, [
    ['1', 'ada', '2.5'],
    ['3', '=cmd', '4.25'],
    ['4', 'dora', null],
  ]);
  assert.equal(samples[0]?.rejects[0]?.value, 'x');
  const { data: shown } = await stack.client.call('GET /audit', { query: { q: 'act:spec.sample' } });
  assert.deepEqual(
    shown.filter(({ outcome }) => outcome !== null).map(({ outcome, code }) => [outcome, code]),
    [
      ['done', null],
      ['refused', 'AUTH_FORBIDDEN'],
    ],
  );
});

test('queries are held against the columns that are there', async () => {
  const answer = await check({
    name: 'columns',
    inputs: { uri: uriOf('few.csv') },
    pipeline: [{ sql: 'SELECT id, nmae FROM input' }],
    output: { uri: `${uriOf('out', 'queries')}/` },
  });
  assert.deepEqual(
    answer.issues.map(({ pointer }) => pointer),
    ['/spec/pipeline'],
    JSON.stringify(answer.issues),
  );
  assert.match(answer.issues[0]?.message ?? '', /nmae/);
});

test('who does not reach a tenant is told nothing of its places', async () => {
  const spec = { name: 'theirs', inputs: uriOf('fine.csv'), output: { uri: `${uriOf('out', 'theirs')}/` }, execution: { tenant: 'other' } };
  await assert.rejects(check(spec), (error) => error instanceof ApiError && error.code === 'SPEC_TENANT_DENIED' && error.status === 403);
});
