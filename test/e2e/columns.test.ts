/** Files of columns, from other writers, through planning, chunks of rows and rejects to Parquet of ours. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cli, documents } from './support/cli.ts';
import { expectSameRows, query } from './support/duckdb.ts';
import { root, Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('columns');
});
after(async () => {
  await bench.expectNothingRuns();
  await bench.close();
});

async function run(args: readonly string[], expected = 0): Promise<Record<string, unknown>> {
  const end = await cli(['run', ...args, '--json', '--workers', '1']);
  assert.equal(end.code, expected, end.stderr);
  return documents(end).at(-1) ?? {};
}

const partNames = (out: string): string[] => readdirSync(out).filter((name) => name.startsWith('part-'));
const parts = (out: string): string => `read_parquet('${out}/part-*.parquet')`;

/** A table with a column of every type that both sides have, nulls in each. */
const TABLE = `SELECT
  i AS id, CAST(i % 1000 AS SMALLINT) AS small, i * 1.5 AS real, CAST(i / 7 AS DECIMAL(18, 3)) AS exact,
  CASE WHEN i % 11 > 0 THEN 'row ' || (i % 97) END AS text, i % 3 = 0 AS flag, DATE '2000-01-01' + CAST(i % 9999 AS INTEGER) AS day,
  TIMESTAMP '2020-01-01 00:00:00' + INTERVAL (i) SECOND AS stamp, TIME '00:00:00' + INTERVAL (i % 86400) SECOND AS clock
  FROM range(10000) t(i)`;

/** As we read it: whole numbers are 64 bits wide, instants are in UTC. */
const EXPECTED = `SELECT codec, id, CAST(small AS BIGINT) AS small, CAST(real AS DOUBLE) AS real, exact, text, flag, day, stamp AT TIME ZONE 'UTC' AS stamp, clock`;

describe('Parquet in', () => {
  it('gives back the rows that DuckDB wrote, with every codec, in several chunks a file', async () => {
    mkdirSync(bench.path('codecs'));
    for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'lz4_raw']) {
      const options = `FORMAT parquet, COMPRESSION ${codec}, ROW_GROUP_SIZE 2048`;
      await query(
        `COPY (SELECT '${codec}' AS codec, * REPLACE (CAST(real AS DOUBLE) AS real) FROM (${TABLE})) TO '${bench.path('codecs', codec)}.parquet' (${options})`,
      );
    }
    const out = bench.path('out-codecs');
    const result = await run([bench.path('codecs', '*.parquet'), '--out', out, '--chunk-size', '64KiB']);
    assert.equal((result['balance'] as { emitted: number }).emitted, 50_000);
    await expectSameRows('all codecs', `SELECT * FROM ${parts(out)}`, `${EXPECTED} FROM read_parquet('${bench.path('codecs', '*.parquet')}')`);
    assert.ok(partNames(out).length > 10, 'row groups become several chunks');
  });

  it('judges every value by its field and keeps the row of a reject as JSON', async () => {
    const file = bench.path('judged.parquet');
    await query(`COPY (SELECT i AS "ID", 'name ' || i AS name, 1 AS unused FROM range(100) t(i)) TO '${file}' (FORMAT parquet)`);
    const out = bench.path('out-judged');
    const spec = bench.path('judged.json');
    writeFileSync(
      spec,
      JSON.stringify({
        name: 'judged',
        inputs: {
          uri: file,
          format: 'parquet',
          schema: {
            caseSensitive: false,
            fields: [
              { name: 'id', type: 'integer', constraints: { minimum: 1, maximum: 98 } },
              { name: 'label', aliases: ['name'] },
            ],
          },
        },
        pipeline: [{ sql: 'SELECT id, label, _record, _line, _byte FROM input WHERE id <> 50' }],
        output: { uri: `${out}/` },
      }),
    );
    const result = await run([spec]);
    const { emitted, filtered, rejected } = result['balance'] as Record<string, number>;
    assert.deepEqual([emitted, filtered, rejected], [97, 1, 2]);
    assert.deepEqual((await query(`SELECT id, _record, _line, _byte FROM ${parts(out)} ORDER BY id LIMIT 1`)).map(String), ['1,2,,']);
    const rejects = await query(
      `SELECT record, line, byte, "byteEnd", code, "column", "columnIndex", value, decode(raw) FROM read_parquet('${out}/_rejects/*') ORDER BY record`,
    );
    assert.deepEqual(rejects.map(String), [
      '1,,,,CONSTRAINT_MINIMUM,id,1,0,{"ID":0,"name":"name 0"}',
      '100,,,,CONSTRAINT_MAXIMUM,id,1,99,{"ID":99,"name":"name 99"}',
    ]);
    for (const record of [1, 50, 100]) {
      const end = await cli(['peek', out, '--record', String(record), '--json']);
      assert.equal(end.code, 0, end.stderr);
      const shown = documents(end)[0] as { record: Record<string, unknown>; window: { base64: string; from: string } };
      const { line, byte, header, fields, reject } = shown.record;
      assert.deepEqual([line, byte, header, fields], [null, null, ['ID', 'name', 'unused'], [String(record - 1), `name ${record - 1}`, '']]);
      assert.equal(Buffer.from(shown.window.base64, 'base64').toString(), `{"ID":${record - 1},"name":"name ${record - 1}"}`);
      assert.equal((reject as { code: string } | null)?.code ?? null, { 1: 'CONSTRAINT_MINIMUM', 50: null, 100: 'CONSTRAINT_MAXIMUM' }[record]);
    }
    const past = await cli(['peek', out, '--record', '101', '--json']);
    assert.notEqual(past.code, 0);
  });

  it('leaves broken files out and completes with the others', async () => {
    mkdirSync(bench.path('mixed'));
    const good = bench.path('mixed', 'a.parquet');
    await query(`COPY (SELECT 1 AS id) TO '${good}' (FORMAT parquet)`);
    writeFileSync(bench.path('mixed', 'b.parquet'), readFileSync(good).subarray(0, 60));
    writeFileSync(bench.path('mixed', 'c.parquet'), 'no such thing');
    const out = bench.path('out-mixed');
    const spec = bench.path('mixed.json');
    const schema = { fields: [{ name: 'id', type: 'integer' }] };
    const inputs = { uri: `${bench.path('mixed')}/*.parquet`, format: 'parquet', schema };
    writeFileSync(spec, JSON.stringify({ name: 'mixed', inputs, output: { uri: `${out}/` }, deadLetters: { maxChunks: 2 } }));
    const result = await run([spec]);
    assert.equal(result['state'], 'completed');
    assert.deepEqual((await query(`SELECT id FROM ${parts(out)}`)).map(String), ['1']);
  });
});

describe('Arrow IPC in', () => {
  for (const name of ['lz4.arrow', 'deltas.arrow']) {
    it(`gives the rows of ${name} as those of the same table in Parquet`, async () => {
      const fixtures = join(root, 'native/rust-core/crates/formats/tests/fixtures');
      const out = bench.path(`out-${name}`);
      copyFileSync(join(fixtures, name), bench.path(name));
      copyFileSync(join(fixtures, 'snappy.parquet'), bench.path('table.parquet'));
      await run([bench.path(name), '--out', out]);
      const expected = `SELECT CAST(int8 AS BIGINT) AS int8, int64, CAST(uint32 AS BIGINT) AS uint32, float, text, bool, date, ms AT TIME ZONE 'UTC' AS ms, us, "time", "decimal"`;
      await expectSameRows(name, `SELECT * FROM ${parts(out)}`, `${expected} FROM read_parquet('${bench.path('table.parquet')}')`);
    });
  }
});

describe('the wider types', () => {
  const fields = [
    { name: 'month', type: 'yearmonth' },
    { name: 'span', type: 'duration', constraints: { maximum: 'P30D' } },
    { name: 'shape', type: 'object' },
    { name: 'marks', type: 'list', itemType: 'integer', delimiter: '|', constraints: { minLength: 1 } },
    { name: 'bytes', type: 'string', format: 'binary' },
  ];
  const rows = [
    ['2026-02', 'P1DT2H', '{"k":[1]}', '1|2', 'YWI='],
    ['', '', '', '', ''],
    ['2026-02', 'P40D', '{}', '7', ''],
    ['02/2026', 'P1D', '[]', '1|x', 'YQ'],
  ];

  const spec = (name: string, input: Record<string, unknown>, output: Record<string, unknown>): string => {
    const path = bench.path(`${name}.json`);
    writeFileSync(path, JSON.stringify({ name, inputs: { schema: { fields }, ...input }, output: { uri: `${bench.path(`out-${name}`)}/`, ...output } }));
    return path;
  };

  it('go from CSV to Parquet, with rejects for what is none of them', async () => {
    const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    writeFileSync(bench.path('wide.csv'), `${['month,span,shape,marks,bytes', ...rows.map((row) => row.map(cell).join(','))].join('\n')}\n`);
    const result = await run([spec('wide', { uri: bench.path('wide.csv') }, {})]);
    const { emitted, rejected } = result['balance'] as Record<string, number>;
    assert.deepEqual([emitted, rejected], [2, 2]);
    const out = bench.path('out-wide');
    assert.deepEqual((await query(`SELECT CAST(month AS VARCHAR), span, shape, CAST(marks AS VARCHAR), decode(bytes) FROM ${parts(out)}`)).map(String), [
      '2026-02-01,P1DT2H,{"k":[1]},[1, 2],ab',
      ',,,,',
    ]);
    const codes = await query(`SELECT record, list_transform(errors, e -> e.code) FROM read_parquet('${out}/_rejects/*') ORDER BY record`);
    assert.match(String(codes[0]), /^3,.*CONSTRAINT_MAXIMUM/);
    for (const code of ['TYPE_YEAR', 'TYPE_OBJECT', 'TYPE_LIST', 'TYPE_FORMAT']) assert.match(String(codes[1]), new RegExp(code));
  });

  it('go from NDJSON to NDJSON and back from Parquet', async () => {
    writeFileSync(bench.path('wide.ndjson'), '{"month":"2026-02","span":"P1DT2H","shape":{"k": [1]},"marks":"1|2","bytes":"YWI="}\n');
    await run([spec('lines', { uri: bench.path('wide.ndjson') }, { format: 'ndjson' })]);
    const [part = ''] = partNames(bench.path('out-lines'));
    const expected = { month: '2026-02-01', span: 'P1DT2H', shape: '{"k": [1]}', marks: [1, 2], bytes: 'YWI=' };
    assert.deepEqual(JSON.parse(readFileSync(bench.path('out-lines', part), 'utf8')), expected);
  });
});
