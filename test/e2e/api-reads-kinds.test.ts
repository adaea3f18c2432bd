/**
 * The detail reads of the API over jobs whose chunks are no plain ranges of one file: compressed files, groups of small files, a producer's stream, partitions
 * of a reduce stage, rows of Parquet; and of a job whose history or rejects are kept no longer.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { JobId } from '@millrace/protocol';
import { ApiError, type Client } from '../../packages/api-contract/src/client.ts';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { query } from './support/duckdb.ts';
import { followToEnd } from './support/follow.ts';
import { manifest } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

const bench = new Workbench('api-kinds');
const out = bench.path('out');
let stack: ApiStack;
let client: Client;

before(async () => {
  mkdirSync(bench.path('in'));
  stack = await startApiStack({ out, readRoots: [bench.home] });
  ({ client } = stack);
});
after(async () => {
  await stack?.stop();
  await bench.close();
});

const uriOf = (name: string): string => pathToFileURL(bench.path('in', name)).href;
const schema = { fields: [{ name: 'id', type: 'integer' }, { name: 'text' }] };
const textOf = (records: number, from = 0): string =>
  `id,text\n${Array.from({ length: records }, (_, at) => (at % 50 === 9 ? `x${from + at},wrong\n` : `${from + at},text ${from + at}\n`)).join('')}`;

async function ended(name: string, more: object): Promise<JobId> {
  const spec = { name, schema, output: { uri: `${pathToFileURL(bench.path('out', name)).href}/` }, rejects: { maxRatio: 1 }, ...more };
  const { jobId } = await client.call('POST /jobs', { body: { spec } });
  assert.equal((await followToEnd(stack.stack.producer.job(jobId))).state, 'completed');
  return jobId;
}

const isProblem =
  (code: string, status: number) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ApiError, String(error));
    assert.deepEqual([error.code, error.status], [code, status], error.message);
    return true;
  };

test('of a compressed file offsets are those of its stream, for the strip, windows and records', async () => {
  const text = textOf(20_000);
  writeFileSync(bench.path('in', 'packed.csv.gz'), gzipSync(Buffer.from(text)));
  const jobId = await ended('packed', { inputs: { uri: uriOf('packed.csv.gz') }, execution: { chunkSize: '64KiB' } });
  const params = { jobId };
  const strip = await client.call('GET /jobs/{jobId}/strip', { params, query: { file: 0 } });
  assert.deepEqual([strip.length, strip.cells.at(-1)?.end, strip.planned], [text.length, text.length, true]);
  const { data: files } = await client.call('GET /jobs/{jobId}/files', { params });
  assert.deepEqual(
    files.map(({ length, records, unit }) => [length, records, unit]),
    [[text.length, 20_000, 'byte']],
  );
  const answer = await client.raw('GET /jobs/{jobId}/bytes', { params, query: { offset: 200_000, length: 50 } });
  assert.deepEqual([await answer.text(), answer.headers.get('content-range')], [text.slice(200_000, 200_050), 'bytes 200000-200049/*']);
  await assert.rejects(client.raw('GET /jobs/{jobId}/bytes', { params, query: { offset: text.length + 5 } }), isProblem('RANGE_NOT_SATISFIABLE', 416));
  const record = await client.call('GET /jobs/{jobId}/record', { params, query: { record: 10 } });
  assert.deepEqual([record.reject?.code, record.fields[0]?.value], ['TYPE_INTEGER', 'x9']);
  const { data: rejects } = await client.call('GET /jobs/{jobId}/rejects', { params, query: { q: 'record:10', content: true } });
  assert.deepEqual([rejects[0]?.value, Buffer.from(rejects[0]?.raw ?? '', 'base64').toString()], ['x9', 'x9,wrong\n']);
});

test('small files share chunks: each shows the whole of its own', async () => {
  for (let file = 0; file < 40; file += 1) writeFileSync(bench.path('in', `small-${String(file).padStart(2, '0')}.csv`), textOf(20, file * 20));
  const jobId = await ended('small', { inputs: { uri: uriOf('small-*.csv') } });
  const params = { jobId };
  const { data: chunks } = await client.call('GET /jobs/{jobId}/chunks', { params, query: { q: 'file:small-07.csv' } });
  assert.deepEqual([chunks.length, chunks[0]?.kind, (chunks[0]?.files ?? 0) > 1], [1, 'files', true]);
  const [{ stage = '', index = 0 } = {}] = chunks;
  const detail = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}', { params: { jobId, stage, index } });
  assert.ok(detail.shares.some(({ uri, end }) => uri.endsWith('small-07.csv') && end === textOf(20, 140).length));
  const strip = await client.call('GET /jobs/{jobId}/strip', { params, query: { file: 7 } });
  assert.deepEqual([strip.cells.length, strip.cells[0]?.start, strip.cells[0]?.end, strip.cells[0]?.state], [1, 0, textOf(20, 140).length, 'committed']);
  const { data: files } = await client.call('GET /jobs/{jobId}/files', { params, query: { limit: 10 } });
  assert.deepEqual(
    files.map(({ chunks: { total, committed }, records, rejected }) => [total, committed, records, rejected]),
    Array.from({ length: 10 }, () => [1, 1, 20, 1]),
  );
});

test('a stream has no files of its own; its chunks are found by their object, and by state while it is open', async () => {
  const text = textOf(2_000);
  writeFileSync(bench.path('in', 'stream.csv'), text);
  const cuts = Array.from({ length: 11 }, (_, at) => (at === 10 ? text.length : text.indexOf('\n', (at * text.length) / 10) + 1));
  cuts[0] = 0;
  const output = { uri: `${pathToFileURL(bench.path('out', 'stream')).href}/` };
  const job = await stack.stack.producer.open({ name: 'stream', inputs: { format: 'csv' }, schema, output, rejects: { maxRatio: 1 } } as never, {
    idempotencyKey: 'stream',
  });
  const uri = uriOf('stream.csv');
  await job.enqueueChunks(cuts.slice(1).map((end, at) => ({ key: `k${at}`, uri, range: [cuts[at] ?? 0, end] as [number, number] })));
  const params = { jobId: job.jobId };
  await until('all chunks to be committed', async () => {
    const { total } = await client.call('GET /jobs/{jobId}/chunks', { params, query: { q: 'state:committed file:stream.csv' } });
    return total === 10;
  });
  // The generation is open: what is known of rejects comes from the ledger and from receipts.
  const open = await client.call('GET /jobs/{jobId}/rejects', { params, query: { limit: 200 } });
  assert.deepEqual([open.data.length, open.total], [40, null]);
  const whole = await client.call('GET /jobs/{jobId}/strip', { params });
  assert.deepEqual([whole.file, whole.unit, whole.planned, whole.chunks.committed], [null, 'chunk', false, 10]);
  assert.equal(
    whole.cells.reduce((sum, { rejects }) => sum + (rejects ?? Number.NaN), 0),
    40,
  );
  await job.seal();
  assert.equal((await followToEnd(job)).state, 'completed');
  const { data: chunks } = await client.call('GET /jobs/{jobId}/chunks', { params, query: { q: `offset:${cuts[3]}` } });
  assert.deepEqual(
    chunks.map(({ kind, uri: of, start, record }) => [kind, of, start, record]),
    [['given', uri, cuts[3], null]],
  );
  assert.deepEqual((await client.call('GET /jobs/{jobId}/files', { params })).data, []);
  await assert.rejects(client.call('GET /jobs/{jobId}/strip', { params, query: { file: 0 } }), isProblem('NOT_FOUND', 404));
  const again = await client.call('GET /jobs/{jobId}/rejects', { params, query: { limit: 200 } });
  assert.deepEqual([again.data.map(({ rejectId }) => rejectId), again.total], [open.data.map(({ rejectId }) => rejectId), 40]);
});

test('a reduce stage has partitions for chunks, and rows for records', async () => {
  writeFileSync(bench.path('in', 'grouped.csv'), textOf(5_000));
  const pipeline = [
    { name: 'clean', sql: 'SELECT id % 7 AS bucket, text FROM input' },
    { name: 'counted', exchange: { keys: ['bucket'], partitions: 4 }, sql: 'SELECT bucket, count(*) AS n FROM input GROUP BY bucket' },
  ];
  const jobId = await ended('grouped', { inputs: { uri: uriOf('grouped.csv') }, pipeline });
  const params = { jobId };
  const { data: stages } = await client.call('GET /jobs/{jobId}/stages', { params });
  assert.deepEqual(
    stages.map(({ name, kind, from, balance }) => [name, kind, from.length, balance?.recordsIn]),
    [
      ['clean', 'map', 1, 5_000],
      ['counted', 'reduce', 1, 4_900],
    ],
  );
  const { data: partitions } = await client.call('GET /jobs/{jobId}/chunks', { params, query: { q: 'stage:counted' } });
  assert.ok(partitions.length > 1 && partitions.every(({ kind, uri, file }) => kind === 'partition' && uri === null && file === null));
  const [{ index = 0 } = {}] = partitions;
  const detail = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}', { params: { jobId, stage: 'counted', index } });
  assert.ok(detail.partition !== null && detail.receipt !== null);
  const [{ index: map = 0 } = {}] = (await client.call('GET /jobs/{jobId}/chunks', { params, query: { q: 'stage:clean' } })).data;
  const { receipt } = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}', { params: { jobId, stage: 'clean', index: map } });
  assert.ok((receipt?.exchange?.rows ?? 0) > 0 && receipt?.parts.length === 0);
  const strip = await client.call('GET /jobs/{jobId}/strip', { params, query: { stage: 'counted' } });
  assert.deepEqual([strip.chunks.total, strip.stage], [partitions.length, 'counted']);
});

test('a file of columns has rows for offsets', async () => {
  await query(
    `COPY (SELECT i AS id, 'text ' || i AS text FROM range(30000) t(i)) TO '${bench.path('in', 'rows.parquet')}' (FORMAT parquet, ROW_GROUP_SIZE 4096)`,
  );
  const jobId = await ended('rows', { inputs: { uri: uriOf('rows.parquet') }, execution: { chunkSize: '64KiB' } });
  const params = { jobId };
  const { data: files } = await client.call('GET /jobs/{jobId}/files', { params });
  assert.deepEqual([files[0]?.unit, files[0]?.length, files[0]?.balance?.recordsIn], ['row', 30_000, 30_000]);
  const strip = await client.call('GET /jobs/{jobId}/strip', { params, query: { file: 0 } });
  assert.deepEqual([strip.unit, strip.length, strip.cells.length > 1], ['row', 30_000, true]);
  const record = await client.call('GET /jobs/{jobId}/record', { params, query: { record: 12_345 } });
  assert.deepEqual([record.record, record.byte, record.line], [12_345, null, null]);
  await assert.rejects(client.call('GET /jobs/{jobId}/record', { params, query: { byte: 5 } }), isProblem('RANGE_NOT_SATISFIABLE', 416));
});

test('a file that cannot be planned says why, and its dead letter is told without a chunk', async () => {
  // Five of seven files are probed; the one that is cut is not among them.
  const whole = [0, 1, 2, 4, 5, 6];
  for (const file of whole) writeFileSync(bench.path('in', `part-${file}.csv.gz`), gzipSync(Buffer.from(textOf(100))));
  writeFileSync(bench.path('in', 'part-3.csv.gz'), gzipSync(Buffer.from(textOf(5_000))).subarray(0, 300));
  const jobId = await ended('cut', { inputs: { uri: uriOf('part-*.csv.gz'), format: 'csv' }, deadLetters: { maxChunks: null, maxRatio: null } });
  const params = { jobId };
  const { data: files } = await client.call('GET /jobs/{jobId}/files', { params });
  assert.deepEqual(
    files.map(({ failure, planned }) => [failure?.code ?? null, planned]),
    Array.from({ length: 7 }, (_, file) => (file === 3 ? ['INPUT_TRUNCATED', false] : [null, true])),
  );
  const letter = await client.call('GET /dead-letters/{deadLetterId}', { params: { deadLetterId: `${jobId}.plan.3.1` } });
  assert.deepEqual([letter.state, letter.code, letter.stage], ['open', 'INPUT_TRUNCATED', 'plan']);
  const strip = await client.call('GET /jobs/{jobId}/strip', { params, query: { file: 3 } });
  assert.deepEqual([strip.cells, strip.planned], [[], false]);
});

test('what retention has removed is gone, with its instant; what stays is told', async () => {
  writeFileSync(bench.path('in', 'old.csv'), textOf(200));
  const jobId = await ended('old', { inputs: { uri: uriOf('old.csv') } });
  const params = { jobId };
  const [{ rejectId = '' } = {}] = (await client.call('GET /jobs/{jobId}/rejects', { params })).data;
  const { journal } = stack.running.api;
  const retire = (retires: 'rejects' | 'history') => {
    const at = new Date().toISOString();
    const none = { opens: null, select: [], resultVersion: null, spec: null, specDigest: null, reason: '', by: 'scheduler', at };
    return journal.appendCommand(jobId, () => ({ append: { jobId, command: 'retire', retires, generation: 1, ...none } }));
  };
  await retire('rejects');
  await assert.rejects(client.call('GET /jobs/{jobId}/rejects', { params }), isProblem('GONE', 410));
  await assert.rejects(client.call('GET /rejects/{rejectId}', { params: { rejectId } }), isProblem('GONE', 410));
  assert.equal((await client.call('GET /jobs/{jobId}/chunks', { params })).total, 1);
  await retire('history');
  await journal.removeHistory(jobId);
  for (const path of ['GET /jobs/{jobId}/chunks', 'GET /jobs/{jobId}/strip'] as const)
    await assert.rejects(client.call(path, { params }), isProblem('GONE', 410));
  await assert.rejects(client.raw('GET /jobs/{jobId}/bytes', { params }), isProblem('GONE', 410));
  const { data: files } = await client.call('GET /jobs/{jobId}/files', { params });
  assert.deepEqual(
    files.map(({ rejected, balance }) => [rejected, balance?.recordsIn]),
    [[4, 200]],
  );
  const { data: stages } = await client.call('GET /jobs/{jobId}/stages', { params });
  assert.equal(stages[0]?.balance?.rejected, manifest(out, jobId).balance.rejected);
  const timeline = await client.call('GET /jobs/{jobId}/timeline', { params });
  assert.ok(timeline.data.some((entry) => entry.kind === 'command' && entry.command === 'retire'));
});
