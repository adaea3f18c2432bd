/** Inputs in other encodings than UTF-8: the rows are text as anyone reads it, the rejects hold the file's own bytes and places. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { cli, documents } from './support/cli.ts';
import { query } from './support/duckdb.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('encodings');
});
after(async () => {
  await bench.expectNothingRuns();
  await bench.close();
});

const schema = '{"fields":[{"name":"id","type":"integer"},{"name":"city"}]}';

async function read(name: string, bytes: Uint8Array, args: readonly string[] = []): Promise<{ rows: string[]; rejects: unknown[][] }> {
  const [file, out, schemaFile] = [bench.path(name), bench.path(`${name}.out`), bench.path('schema.json')];
  writeFileSync(file, bytes);
  writeFileSync(schemaFile, schema);
  const end = await cli(['run', file, '--out', out, '--schema', schemaFile, '--json', '--workers', '1', '--set', 'rejects.maxRatio=1', ...args]);
  assert.equal(end.code, 0, end.stderr);
  assert.equal(documents(end).at(-1)?.['state'], 'completed');
  const rows = await query(`SELECT id, city FROM read_parquet('${out}/part-*.parquet') ORDER BY id`);
  const rejects = await query(`SELECT record, line, byte, byteEnd, code, hex(raw) FROM read_parquet('${out}/_rejects/*.pq') ORDER BY byte`);
  return { rows: rows.map(String), rejects };
}

const text = 'id,city\n1,東京\n2,"line\nbreak"\nx,Köln\n3,Łódź\n';
const want = ['1,東京', '2,line\nbreak', '3,Łódź'];

function utf16(value: string, order: 'le' | 'be'): Buffer {
  const bytes = Buffer.from(`\ufeff${value}`, 'utf16le');
  return order === 'le' ? bytes : bytes.swap16();
}

/** Offsets of a reject in a file of UTF-16 with a mark: two bytes a character. */
const reject = (bytes: Buffer): unknown[][] => {
  const start = 2 + 2 * text.indexOf('x,');
  const end = start + 2 * 'x,Köln\n'.length;
  return [[3, 5, start, end, 'TYPE_INTEGER', bytes.subarray(start, end).toString('hex').toUpperCase()]];
};

describe('encodings', () => {
  for (const order of ['le', 'be'] as const)
    it(`reads UTF-16${order.toUpperCase()} by its mark`, async () => {
      const bytes = utf16(text, order);
      const { rows, rejects } = await read(`wide-${order}.csv`, bytes);
      assert.deepEqual(rows, want);
      assert.deepEqual(rejects.map(String), reject(bytes).map(String));
    });

  it('reads UTF-16 inside gzip, with places of the decompressed file', async () => {
    const bytes = utf16(text, 'le');
    const { rows, rejects } = await read('wide.csv.gz', gzipSync(bytes));
    assert.deepEqual(rows, want);
    assert.deepEqual(rejects.map(String), reject(bytes).map(String));
  });

  it('reads Shift_JIS, where half of a character may be a backslash', async () => {
    // 表 is 95 5C, ソ is 83 5C; the last record holds a byte that begins no character.
    const bytes = Buffer.concat([
      Buffer.from('id,city\n1,'),
      Buffer.from([0x95, 0x5c, 0x83, 0x5c]),
      Buffer.from('\n2,'),
      Buffer.from([0xff]),
      Buffer.from('\n'),
    ]);
    const { rows, rejects } = await read('sjis.csv', bytes, ['--encoding', 'shift_jis']);
    assert.deepEqual(rows, ['1,表ソ']);
    assert.deepEqual(rejects.map(String), [[2, 3, 15, 19, 'ENCODING_INVALID_BYTES', '322CFF0A'].map(String).join(',')]);
  });

  it('reads ISO-2022-JP, whose characters depend on what stands before them, in chunks', async () => {
    const [kanji, ascii] = ['\x1b$B', '\x1b(B'];
    const lines = Array.from({ length: 12_000 }, (_, at) => `${at},${kanji}El5~${ascii} ${at % 7}\n`);
    lines[2_000] = `x,${kanji}El5~${ascii}\n`;
    const bytes = Buffer.from(`id,city\n${lines.join('')}`, 'latin1');
    const { rows, rejects } = await read('jis.csv', bytes, ['--encoding', 'iso-2022-jp', '--chunk-size', '64KiB']);
    assert.deepEqual([rows.length, rows[1]], [11_999, '1,東京 1']);
    const start = bytes.indexOf(`\nx,`) + 1;
    assert.deepEqual(
      rejects.map((row) => row.slice(0, 5).map(String)),
      [[2_001, 2_002, start, start + 13, 'TYPE_INTEGER'].map(String)],
    );
  });

  it('refuses by name what it does not read', async () => {
    const end = await cli(['run', bench.path('sjis.csv'), '--out', bench.path('no-utf-7'), '--encoding', 'utf-7']);
    assert.notEqual(end.code, 0);
    assert.match(end.stderr, /encoding/);
  });
});
