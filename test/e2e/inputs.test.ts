/** Several inputs: one table of two formats, a stage for each of them, list files with what the sender promised. DuckDB says what must come out. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { JobHandle } from '@millrace/producer';
import type { JobStatus, Manifest } from '@millrace/protocol';
import { expectSameRows, partsOf } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { deadLetters } from './support/journal-files.ts';
import { Workbench, type WrittenSpec } from './support/workbench.ts';

let bench: Workbench;
let data: string;
const rows = 4_000;

const url = (name: string): string => pathToFileURL(join(data, name)).href;
const schema = { fields: [{ name: 'id', type: 'integer' }, { name: 'kind' }, { name: 'amount', type: 'number', precision: 12, scale: 2 }] };

before(() => {
  bench = new Workbench('inputs');
  data = bench.path('data');
  mkdirSync(data);
  const record = (id: number) => ({ id, kind: `k${id % 7}`, amount: `${id}.${String(id % 100).padStart(2, '0')}` });
  const csv = (from: number, to: number): string =>
    `id;kind;amount\n${Array.from({ length: to - from }, (_, at) => record(from + at))
      .map(({ id, kind, amount }) => `${id};${kind};${amount}\n`)
      .join('')}`;
  writeFileSync(join(data, 'a.csv'), csv(0, rows));
  writeFileSync(join(data, 'b.csv'), csv(rows, 2 * rows));
  const lines = Array.from({ length: rows }, (_, at) => record(2 * rows + at)).map(
    ({ id, kind, amount }) => `{"id":${id},"kind":"${kind}","amount":${amount}}\n`,
  );
  writeFileSync(join(data, 'c.ndjson'), lines.join(''));
});
after(() => bench.close());

async function run(name: string, spec: WrittenSpec): Promise<{ status: JobStatus; handle: JobHandle; out: string }> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [data] });
  try {
    const written = { name: 'several', schema, ...spec, output: { uri: `${pathToFileURL(out).href}/` }, execution: { chunkSize: '64KiB' } };
    const handle = await local.producer.submit(written as never, { idempotencyKey: name });
    return { status: await Promise.race([followToEnd(handle), local.failed]), handle, out };
  } finally {
    await local.stop();
  }
}

async function completed(name: string, spec: WrittenSpec): Promise<Manifest> {
  const { status, handle, out } = await run(name, spec);
  assert.equal(status.state, 'completed', status.failure?.message);
  return expectTidy(out, handle.jobId);
}

const truth = `SELECT id::BIGINT AS id, kind, amount::DECIMAL(12, 2) AS amount FROM (
  SELECT * FROM read_csv(['DATA/a.csv', 'DATA/b.csv'], delim = ';', types = {'id': 'BIGINT', 'amount': 'DECIMAL(12, 2)'})
  UNION ALL BY NAME SELECT * FROM read_json('DATA/c.ndjson', columns = {id: 'BIGINT', kind: 'VARCHAR', amount: 'DECIMAL(12, 2)'}))`;

describe('several inputs', () => {
  it('of different formats are one table, each read by its own pins', async () => {
    const inputs = [
      { name: 'tables', uri: [url('a.csv'), url('b.csv')], expect: { files: 2, records: 2 * rows } },
      { name: 'lines', uri: url('c.ndjson'), expect: { records: rows } },
    ];
    const manifest = await completed('one-table', { inputs });
    assert.equal(manifest.balance.recordsIn, 3 * rows);
    assert.deepEqual(
      manifest.files.map(({ balance }) => balance.recordsIn),
      [rows, rows, rows],
    );
    await expectSameRows('rows', partsOf(manifest), truth.replaceAll('DATA', data));
  });

  it('are held to the totals of each of them', async () => {
    const inputs = [
      { name: 'tables', uri: [url('a.csv'), url('b.csv')] },
      { name: 'lines', uri: url('c.ndjson'), expect: { records: rows + 1 } },
    ];
    const { status } = await run('totals', { inputs });
    assert.deepEqual([status.state, status.failure?.code], ['failed', 'INPUT_COUNT_MISMATCH']);
    assert.match(status.failure?.message ?? '', new RegExp(`input lines: expected ${rows + 1} records, got ${rows}`));
  });

  it('with other columns are no one table', async () => {
    const inputs = [
      { name: 'tables', uri: url('a.csv') },
      { name: 'lines', uri: url('c.ndjson'), schema: { fields: [{ name: 'id', type: 'integer' }, { name: 'kind' }] } },
    ];
    const { status } = await run('columns', { inputs });
    assert.deepEqual([status.state, status.failure?.code], ['failed', 'SPEC_SCHEMA_FIELD']);
    assert.match(status.failure?.message ?? '', /column 3 is amount .* here and nothing there/);
  });
});

describe('files of one input', () => {
  const write = (name: string, text: string): string => {
    writeFileSync(join(data, name), text);
    return url(name);
  };

  it('may have their columns in any order, and lack some', async () => {
    const uri = [
      write('order-1.csv', 'id,kind,amount\n1,a,1.25\n2,b,2.50\n'),
      write('order-2.csv', 'amount,id,kind\n3.75,3,c\n'),
      write('order-3.csv', 'kind,id\nd,4\n'),
    ];
    const manifest = await completed('order', { inputs: { uri }, schema: 'auto' });
    const expected = `SELECT * FROM (VALUES (1::BIGINT, 'a', 1.25::DOUBLE), (2, 'b', 2.5), (3, 'c', 3.75), (4, 'd', NULL)) AS t(id, kind, amount)`;
    await expectSameRows('rows', partsOf(manifest), expected);
  });

  it('that are lines of objects and a table are refused, whichever comes first', async () => {
    const uri = [
      write('table.csv', 'id,kind,amount\n1,a,1.25\n'),
      write('objects.ndjson', '{"id":2,"kind":"b","amount":2.5}\n{"id":3,"kind":"c","amount":3.5}\n'),
    ];
    for (const [name, files] of Object.entries({ mixture: uri, reversed: uri.toReversed() })) {
      const { status } = await run(name, { inputs: { uri: files }, schema: 'auto' });
      assert.deepEqual([status.state, status.failure?.code], ['failed', 'SCHEMA_DRIFT'], status.failure?.message);
      assert.match(status.failure?.message ?? '', /objects\.ndjson and .*table\.csv as files of one format/);
    }
  });

  it('of JSON need a schema where no record ends within the sample', async () => {
    const uri = write('long.ndjson', `{"id":1,"kind":"${'x'.repeat(5 << 20)}","amount":2.5}\n{"id":2,"kind":"y","amount":3.5}\n`);
    const { status } = await run('unseen', { inputs: { uri }, schema: 'auto' });
    assert.deepEqual([status.state, status.failure?.code], ['failed', 'SPEC_MISSING_FIELD'], status.failure?.message);
    assert.match(status.failure?.message ?? '', /cannot find the columns of .*long\.ndjson.*write a schema/);
    const manifest = await completed('seen', { inputs: { uri } });
    assert.deepEqual([manifest.balance.emitted, manifest.balance.rejected], [2, 0]);
    const lengths = `SELECT length(kind) AS n, id FROM (${partsOf(manifest)})`;
    await expectSameRows('rows', lengths, `SELECT * FROM (VALUES (${5 << 20}::BIGINT, 1::BIGINT), (1, 2)) AS t(n, id)`);
  });
});

describe('a list file', () => {
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

  it('names inputs, with digests and counts that hold', async () => {
    const entries = [url('a.csv'), JSON.stringify({ uri: url('b.csv'), sha256: digest(readFileSync(join(data, 'b.csv'), 'utf8')), records: rows })];
    writeFileSync(join(data, 'good.list'), `${entries.join('\n')}\n`);
    const manifest = await completed('listed', { inputs: { list: url('good.list') } });
    assert.equal(manifest.balance.emitted, 2 * rows);
  });

  it('that promises another digest fails the job and names both', async () => {
    writeFileSync(join(data, 'bad.list'), JSON.stringify({ uri: url('a.csv'), sha256: digest('other') }));
    const { status, handle, out } = await run('digest', { inputs: { list: url('bad.list') } });
    assert.deepEqual([status.state, status.failure?.code], ['failed', 'BUDGET_DEAD_LETTERS']);
    const [letter] = deadLetters(out, handle.jobId);
    assert.equal(letter?.code, 'INPUT_DIGEST_MISMATCH');
    assert.match(letter?.message ?? '', new RegExp(digest('other')));
  });

  it('that promises another count fails the job', async () => {
    writeFileSync(join(data, 'count.list'), JSON.stringify({ uri: url('a.csv'), records: rows - 1 }));
    const { status } = await run('count', { inputs: { list: url('count.list') } });
    assert.deepEqual([status.state, status.failure?.code], ['failed', 'INPUT_COUNT_MISMATCH']);
  });

  it('with a wrong line is refused with that line', async () => {
    writeFileSync(join(data, 'wrong.list'), `${url('a.csv')}\nb.csv\n`);
    await assert.rejects(run('wrong', { inputs: { list: url('wrong.list') } }), /wrong\.list: line 2: expected a URI/);
  });
});
