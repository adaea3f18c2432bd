/** Outputs through the queue: formats and compressions as other programs read them, folders, one output per input. */
import assert from 'node:assert/strict';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Manifest } from '@millrace/protocol';
import { cli, documents } from './support/cli.ts';
import { query } from './support/duckdb.ts';
import { lackingReaders, readElsewhere } from './support/readers.ts';
import { Workbench } from './support/workbench.ts';

const lacking = lackingReaders();
let bench: Workbench;
before(() => {
  bench = new Workbench('outputs');
});
after(async () => {
  await bench.expectNothingRuns();
  await bench.close();
});

async function run(args: readonly string[], expected = 0): Promise<Record<string, unknown>> {
  const end = await cli(['run', ...args, '--json', '--workers', '1']);
  assert.equal(end.code, expected, end.stderr + end.stdout);
  return documents(end).at(-1) ?? {};
}

function write(name: string, bytes: string): string {
  mkdirSync(dirname(bench.path(name)), { recursive: true });
  writeFileSync(bench.path(name), bytes);
  return bench.path(name);
}

/** The manifest that `_SUCCESS` names. */
function manifestIn(out: string): Manifest {
  const { manifest } = JSON.parse(readFileSync(join(out, '_SUCCESS'), 'utf8')) as { manifest: string };
  return JSON.parse(readFileSync(fileURLToPath(manifest), 'utf8')) as Manifest;
}

const table = (rows: number): string => `id,name\n${Array.from({ length: rows }, (_, id) => `${id},"name, ${id}"\n`).join('')}`;

const reader = { parquet: 'read_parquet', csv: 'read_csv', ndjson: 'read_json' } as const;

describe('outputs', () => {
  for (const [format, compression, extension] of [
    ['parquet', 'gzip', 'parquet'],
    ['csv', 'gzip', 'csv.gz'],
    ['ndjson', 'zstd', 'ndjson.zst'],
    ['arrow', 'lz4', 'arrow'],
  ] as const) {
    it(`writes ${format} with ${compression} as others read it`, async (test) => {
      const out = bench.path(`${format}-${compression}`);
      const args = ['--format', format, '--set', `output.compression=${compression}`, '--set', 'execution.chunkSize=64KiB'];
      await run([write('table.csv', table(9_000)), '--out', out, ...args]);
      const { parts } = manifestIn(out);
      assert.ok(parts.length > 2 && parts.every(({ uri }) => uri.endsWith(`.${extension}`)), parts[0]?.uri);
      const wanted = Array.from({ length: 9_000 }, (_, id) => [String(id), `name, ${id}`]).sort();
      if (format === 'arrow')
        assert.equal(
          readFileSync(fileURLToPath(parts[0]?.uri ?? ''))
            .subarray(0, 6)
            .toString(),
          'ARROW1',
        );
      else
        assert.deepEqual(
          (await query(`SELECT id::VARCHAR, name FROM ${reader[format]}('${out}/*.${extension}') ORDER BY ALL`)).map(String),
          wanted.map(String),
        );
      if (lacking === null) assert.deepEqual(readElsewhere(`${out}/*.${extension}`).map(String).sort(), wanted.map(String).sort());
      else test.diagnostic(lacking);
    });
  }

  it('spreads rows over folders that readers know by their names', async () => {
    const countries = ['DE', 'FR', 'a b/c=%', '', '__null__', 'NL', 'x'.repeat(300)];
    const rows = Array.from({ length: 7_000 }, (_, id) => `${id},"${countries[id % countries.length]}",${id % 2}\n`);
    const file = write('places.csv', `id,country,day\n${rows.join('')}`);
    const out = bench.path('folders');
    const schema = write(
      'schema.json',
      '{"fields":[{"name":"id","type":"integer"},{"name":"country"},{"name":"day","type":"integer"}],"missingValues":["NL"]}',
    );
    const set = ['output.partitionBy=["country","day"]', 'execution.chunkSize=64KiB', 'rejects.maxRatio=1'].flatMap((one) => ['--set', one]);
    await run([file, '--out', out, '--schema', schema, ...set]);
    const { parts, balance, byCode } = manifestIn(out);
    assert.deepEqual([balance.recordsIn, balance.emitted, balance.rejected, byCode], [7_000, 6_000, 1_000, { TRANSFORM_PARTITION_VALUE: 1_000 }]);
    const folders = [...new Set(parts.map(({ partition }) => partition ?? ''))].sort();
    const names = ['DE', 'FR', 'a%20b%2Fc%3D%25', '', '%5F_null__', '__null__'];
    assert.deepEqual(folders, names.flatMap((name) => [`country=${name}/day=0`, `country=${name}/day=1`]).sort());
    for (const { uri, partition } of parts) assert.equal(dirname(relative(out, fileURLToPath(uri))), partition);
    assert.equal(globSync('**/*.parquet', { cwd: out }).length, parts.length, 'a plain glob finds the parts and nothing else');
    const back = `read_parquet('${out}/*/*/*.parquet', hive_partitioning = true)`;
    assert.deepEqual((await query(`SELECT DISTINCT country FROM ${back} ORDER BY 1`)).flat(), ['', 'DE', 'FR', '__null__', 'a b/c=%'].sort());
    const wrong = await query(`SELECT count(*) FROM ${back} WHERE id % 2 <> day OR (id % 7 = 0) <> (country = 'DE') OR (id % 7 = 2) <> (country = 'a b/c=%')`);
    assert.deepEqual(wrong, [[0n]]);
    assert.deepEqual(
      (await query(`DESCRIBE SELECT * FROM read_parquet('${fileURLToPath(parts[0]?.uri ?? '')}', hive_partitioning = false)`)).map(([name]) => name),
      ['id'],
    );
  });

  it('refuses folders that are too many, or named by no column', async () => {
    const file = write('many.csv', table(300));
    const [few, unknown] = [bench.path('few'), bench.path('unknown')];
    const end = await cli(['run', file, '--out', few, '--workers', '1', '--set', 'output.partitionBy=["id"]', '--set', 'output.maxPartitions=100']);
    assert.notEqual(end.code, 0);
    assert.match(end.stderr + end.stdout, /OUTPUT_TOO_MANY_PARTITIONS/);
    const other = await cli(['run', file, '--out', unknown, '--workers', '1', '--set', 'output.partitionBy=["land"]']);
    assert.notEqual(other.code, 0);
    assert.match(other.stderr + other.stdout, /SPEC_SQL_UNKNOWN_COLUMN|cannot partition by "land"/);
  });

  it('makes one output per input, named after it', async () => {
    const inputs = { 'in/a/b.csv': table(50), 'in/a/c.csv': table(20_000), 'in/d.csv': table(7) };
    for (const [name, bytes] of Object.entries(inputs)) write(name, bytes);
    const out = bench.path('each');
    await run([`${bench.path('in')}/**/*.csv`, '--out', out, '--set', 'output.layout=perInput', '--set', 'execution.chunkSize=64KiB']);
    const { parts, files } = manifestIn(out);
    const found = parts.map(({ uri, file, rows }) => {
      const path = relative(out, fileURLToPath(uri));
      return { name: `${dirname(path)}/${basename(path).split('-')[0]}`, input: basename(files[file ?? -1]?.uri ?? ''), rows };
    });
    assert.deepEqual(
      found.filter(({ name }) => name === 'a/b'),
      [{ name: 'a/b', input: 'b.csv', rows: 50 }],
    );
    assert.deepEqual(
      found.filter(({ name }) => name === './d'),
      [{ name: './d', input: 'd.csv', rows: 7 }],
    );
    const large = found.filter(({ name }) => name === 'a/c');
    assert.ok(large.length > 2 && large.every(({ input }) => input === 'c.csv'));
    assert.equal(
      large.reduce((sum, { rows }) => sum + rows, 0),
      20_000,
    );
    assert.deepEqual(await query(`SELECT count(*), sum(id) FROM read_parquet('${out}/a/b-*.parquet')`), [[50n, 1_225n]]);
  });
});
