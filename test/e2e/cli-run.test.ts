/** `millrace run` and the verbs that read its directory, from the first file to the reject export. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cli, documents } from './support/cli.ts';
import { query } from './support/duckdb.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('cli-run');
});
after(async () => {
  await bench.expectNothingRuns();
  await bench.close();
});

/** Runs `millrace run` and expects its exit code; answers the last document. */
async function run(args: readonly string[], expected = 0): Promise<Record<string, unknown>> {
  const end = await cli(['run', ...args, '--json', '--workers', '1']);
  assert.equal(end.code, expected, end.stderr);
  return documents(end).at(-1) ?? {};
}

function write(name: string, text: string): string {
  const path = bench.path(name);
  writeFileSync(path, text);
  return path;
}

const partsIn = (out: string): string[] => readdirSync(out).filter((name) => name.startsWith('part-'));
const textOf = (out: string): string =>
  partsIn(out)
    .sort()
    .map((name) => readFileSync(join(out, name), 'utf8'))
    .join('');

describe('millrace run', () => {
  it('turns a CSV file into Parquet with types of its own finding', async () => {
    const file = write('types.csv', 'id;when;price\n1;2026-01-02;1.50\n2;2026-01-03;20.25\n3;;0.10\n');
    const out = bench.path('types');
    const result = await run([file, '--out', out]);
    assert.deepEqual([result['state'], result['exitCode'], result['parts']], ['completed', 0, 1]);
    const parquet = `read_parquet('${out}/part-*.parquet')`;
    assert.deepEqual((await query(`SELECT id, CAST("when" AS VARCHAR), CAST(price AS DOUBLE) FROM ${parquet} ORDER BY id`)).map(String), [
      '1,2026-01-02,1.5',
      '2,2026-01-03,20.25',
      '3,,0.1',
    ]);
    const types = new Map((await query(`DESCRIBE SELECT * FROM ${parquet}`)).map(([name, type]) => [name, type]));
    assert.deepEqual([types.get('id'), types.get('when')], ['BIGINT', 'DATE']);
  });

  it('gives back the text of a CSV file with --format csv', async () => {
    const text = 'id,name\n001,"a, b"\n002,"line\nbreak"\n003,"say ""hi"""\n';
    const out = bench.path('text');
    await run([write('text.csv', text), '--out', out, '--format', 'csv']);
    assert.equal(textOf(out), text);
  });

  it('reads and writes NDJSON', async () => {
    const out = bench.path('ndjson');
    await run([write('events.ndjson', '{"id":1,"tag":"a"}\n{"id":2,"tag":null}\n{"id":3,"tag":"c\\u00e9"}\n'), '--out', out, '--format', 'ndjson']);
    const lines = textOf(out)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as object);
    assert.deepEqual(lines, [
      { id: 1, tag: 'a' },
      { id: 2, tag: null },
      { id: 3, tag: 'cé' },
    ]);
  });

  it('completes an empty file with no records', async () => {
    const out = bench.path('empty');
    const result = await run([write('empty.csv', ''), '--out', out]);
    assert.deepEqual([result['state'], (result['balance'] as { recordsIn: number }).recordsIn], ['completed', 0]);
  });

  it('reads all files of a directory and of a pattern', async () => {
    for (const name of ['a', 'b']) write(`many-${name}.csv`, `id\n${name === 'a' ? 1 : 2}\n`);
    const result = await run([bench.path('many-*.csv'), '--out', bench.path('pattern')]);
    assert.equal((result['balance'] as { recordsIn: number }).recordsIn, 2);
    const generated = bench.generate('folder', { records: 40, faults: 'none' }).directory;
    const spec = { name: 'folder', inputs: { uri: `${generated}/*.csv` }, output: { uri: `${bench.path('folder-out')}/` } };
    assert.equal(((await run([write('folder.json', JSON.stringify(spec))]))['balance'] as { recordsIn: number }).recordsIn, 40);
  });

  it('loses one record of 200,000 to one stray quote', async () => {
    const lines = ['id,name,amount'];
    for (let id = 1; id <= 200_000; id += 1) lines.push(id === 77_777 ? `${id},Joe "the" Plumber" x,1.00` : `${id},"Name, ${id}",${id % 100}.50`);
    const out = bench.path('stray');
    const result = await run([write('stray.csv', `${lines.join('\n')}\n`), '--out', out, '--chunk-size', '1MiB']);
    const { recordsIn, emitted, rejected } = result['balance'] as { recordsIn: number; emitted: number; rejected: number };
    assert.deepEqual([recordsIn, emitted, rejected], [200_000, 199_999, 1]);
    assert.deepEqual(result['byCode'], { CSV_STRAY_QUOTE: 1 });
    const [reject] = documents(await cli(['rejects', 'ls', out, '--json']));
    assert.deepEqual([reject?.['record'], reject?.['line'], reject?.['raw']], [77_777, 77_778, '77777,Joe "the" Plumber" x,1.00\n']);
  });

  it('ends with 6 for rejects only when asked to', async () => {
    const file = write('one-bad.csv', 'id,n\n1,1\n2,2,2\n');
    await run([file, '--out', bench.path('lenient')], 0);
    await run([file, '--out', bench.path('strict'), '--fail-on-rejects'], 6);
  });
});

describe('a directory that was run', () => {
  const spec = (data: string) => join(data, 'spec.yaml');

  it('is only reported by the same command, and refused to another one', async () => {
    const file = write('again.csv', 'id\n1\n2\n');
    const out = bench.path('again');
    const first = await run([file, '--out', out]);
    const before = readdirSync(out).sort();
    const again = await cli(['run', file, '--out', out, '--json']);
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stderr, /complete already; nothing was run/);
    assert.deepEqual(documents(again).at(-1)?.['jobId'], first['jobId']);
    assert.deepEqual(readdirSync(out).sort(), before);
    const other = await cli(['run', file, '--out', out, '--format', 'csv']);
    assert.equal(other.code, 5);
    assert.match(other.stderr, /holds the output of another command/);
    const unconfirmed = await cli(['run', file, '--out', out, '--format', 'csv', '--replace']);
    assert.equal(unconfirmed.code, 9);
    await run([file, '--out', out, '--format', 'csv', '--replace', '--yes']);
    assert.deepEqual(
      partsIn(out).map((name) => name.split('.').at(-1)),
      ['csv'],
    );
  });

  it('is shown, with its rejects, their bytes and an export that reads back', async () => {
    const { directory: data, expected } = bench.generate('shown', { records: 6_000 });
    const result = await run([spec(data)]);
    const out = join(data, 'out');
    const [shown] = documents(await cli(['show', out, '--json']));
    assert.ok(shown !== undefined);
    assert.deepEqual([shown['state'], shown['generation'], shown['jobId']], ['completed', 1, result['jobId']]);
    assert.equal((shown['balance'] as { recordsIn: number }).recordsIn, expected.balance.recordsIn);

    const rejects = documents(await cli(['rejects', 'ls', out, '--limit', '0', '--json']));
    assert.equal(rejects.length, expected.balance.rejected);
    const [first] = rejects as { byte: number; byteEnd: number; rawBase64: string; code: string; file: string }[];
    assert.ok(first !== undefined);
    const bytes = readFileSync(new URL(first.file)).subarray(first.byte, first.byteEnd);
    assert.equal(bytes.toString('base64'), first.rawBase64);
    assert.equal(
      documents(await cli(['rejects', 'ls', out, '--limit', '0', '--json', '--code', first.code])).every(({ code }) => code === first.code),
      true,
    );

    const [peeked] = documents(await cli(['peek', out, '--reject', '1', '--json']));
    const window = peeked?.['window'] as { base64: string; start: number; from: string };
    assert.deepEqual([window.start, window.from], [first.byte, 'source']);
    assert.ok(Buffer.from(window.base64, 'base64').subarray(0, bytes.length).equals(bytes.subarray(0, 256)) || bytes.length > 256);

    const file = bench.path('rejects.csv');
    const exported = await cli(['rejects', 'export', out, '-o', file, '--json']);
    assert.deepEqual([exported.code, documents(exported)[0]?.['rejects']], [0, rejects.length]);
    const [[count]] = (await query(`SELECT count(*) FROM read_csv('${file}', header = true, all_varchar = true, strict_mode = false)`)) as [[bigint]];
    assert.equal(Number(count), rejects.length);
  });

  it('has no dead letter to show or redrive when all is well', async () => {
    const out = bench.path('types');
    assert.deepEqual([(await cli(['dead', 'ls', out])).code, documents(await cli(['dead', 'ls', out, '--json']))], [0, []]);
    const redrive = await cli(['redrive', out]);
    assert.equal(redrive.code, 5);
    assert.match(redrive.stderr, /nothing to redrive/);
    assert.equal((await cli(['dead', 'show', out, 'read.7'])).code, 3);
  });
});
