/** Compressed inputs through the queue: the same rows, rejects and positions as of the plain file, whatever the layout. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { cli, documents } from './support/cli.ts';
import { query } from './support/duckdb.ts';
import { root, Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('compressed');
});
after(async () => {
  await bench.expectNothingRuns();
  await bench.close();
});

/** Files that other programs wrote; `make.py` beside them says how. */
const fixture = (name: string): string => join(root, 'native/rust-core/crates/formats/tests/streams', name);
const plain = readFileSync(fixture('plain.csv'), 'utf8');

async function run(args: readonly string[], expected = 0): Promise<Record<string, unknown>> {
  const end = await cli(['run', ...args, '--json', '--workers', '1']);
  assert.equal(end.code, expected, end.stderr);
  return documents(end).at(-1) ?? {};
}

function write(name: string, bytes: string | Uint8Array): string {
  const path = bench.path(name);
  writeFileSync(path, bytes);
  return path;
}

const textOf = (out: string): string[] =>
  readdirSync(out)
    .filter((name) => name.startsWith('part-'))
    .flatMap((name) => readFileSync(join(out, name), 'utf8').split('\n').slice(1))
    .filter((line) => line !== '')
    .sort();

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .sort();
const rejectsOf = (out: string): Promise<unknown[][]> =>
  query(`SELECT record, line, byte, byteEnd, code, raw FROM read_parquet('${out}/_rejects/*.pq') ORDER BY byte`);

/** A table of about 3 MB with records that are refused. */
function dirty(): string {
  const rows = ['id,name,amount'];
  for (let id = 0; id < 100_000; id += 1) rows.push(id % 1000 === 3 ? `x${id},bad,1` : `${id},"name, ${id}",${(id * 7) % 1000}`);
  return `${rows.join('\n')}\n`;
}

const schema = '{"fields":[{"name":"id","type":"integer"},{"name":"name"},{"name":"amount","type":"integer"}]}';

describe('compressed inputs', () => {
  for (const names of [
    ['python.gz', 'members.gz', 'blocks.bgzf.gz'],
    ['frames.zst', 'seekable.zst'],
    ['one.bz2'],
    ['crc64.xz'],
    ['frames.lz4'],
    ['zip64.zip'],
  ]) {
    it(`reads ${names.join(', ')}`, async () => {
      const out = bench.path(`out-${names[0]}`);
      const result = await run([...names.map(fixture), '--out', out, '--format', 'csv']);
      assert.equal(result['state'], 'completed');
      const wanted = names.flatMap(() => linesOf(plain)).sort();
      assert.deepEqual(textOf(out), wanted);
    });
  }

  it('stages a large single stream, and places every reject where it stands in the plain file', async () => {
    const text = dirty();
    const args = ['--format', 'csv', '--schema', write('schema.json', schema), '--set', 'execution.chunkSize=256KiB'];
    const [whole, packed] = [bench.path('whole'), bench.path('packed')];
    await run([write('dirty.csv', text), '--out', whole, ...args]);
    const result = await run([write('dirty.csv.gz', gzipSync(text)), '--out', packed, ...args]);
    assert.ok(Number(result['parts']) > 5, `${result['parts']} parts`);
    assert.deepEqual(textOf(packed), textOf(whole));
    const rejects = await rejectsOf(packed);
    assert.equal(rejects.length, 100);
    assert.deepEqual(rejects.map(String), (await rejectsOf(whole)).map(String));
  });

  it('uses nothing of a truncated file, or its intact prefix where the spec says so', async () => {
    const cut = write('cut.csv.gz', readFileSync(fixture('python.gz')).subarray(0, 2_000));
    const refused = await cli(['run', cut, '--out', bench.path('refused'), '--format', 'csv', '--workers', '1']);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr + refused.stdout, /INPUT_TRUNCATED/);
    const out = bench.path('prefix');
    await run([cut, '--out', out, '--format', 'csv', '--set', 'inputs.0.keepIntactPrefix=true']);
    const rows = textOf(out);
    assert.ok(rows.length > 50 && rows.length < linesOf(plain).length);
    const all = new Set(linesOf(plain));
    assert.deepEqual(
      rows.filter((row) => !all.has(row)),
      [],
    );
    const [[code, byteEnd] = []] = await query(`SELECT code, byteEnd FROM read_parquet('${out}/_rejects/*.pq')`);
    assert.equal(code, 'INPUT_TRUNCATED');
    assert.ok(Number(byteEnd) > 0);
  });

  it('shows the bytes of the stream, not those of the compressed file', async () => {
    const lines = Array.from({ length: 60_000 }, (_, n) => `${n + 1},name ${n % 97},${n === 41_234 ? 'x' : n * 3}\n`);
    const text = `id,name,amount\n${lines.join('')}`;
    const bad = text.indexOf(lines[41_234] as string);
    const schema = write('peek-schema.json', '{"fields":[{"name":"id","type":"integer"},{"name":"name"},{"name":"amount","type":"integer"}]}');
    const halves = [text.slice(0, 700_000), text.slice(700_000)].map((half) => gzipSync(half));
    for (const [name, bytes] of [
      ['one', gzipSync(text)],
      ['members', Buffer.concat(halves)],
      ['wide', gzipSync(Buffer.from(`\ufeff${text}`, 'utf16le'))],
    ] as const) {
      const [place, unit, mark] = [bench.path(`peek-${name}`), name === 'wide' ? 2 : 1, name === 'wide' ? 2 : 0];
      await run([write(`peek-${name}.csv.gz`, bytes), '--out', place, '--schema', schema, '--chunk-size', '64KiB']);
      const stream = Buffer.from(name === 'wide' ? `\ufeff${text}` : text, name === 'wide' ? 'utf16le' : 'utf8');
      const start = bad * unit + mark;
      // Each look starts a command of its own.
      const places = [
        [['--reject', '1'], start],
        [['--record', '41235'], start],
        [['--at', '3'], 3],
        [['--at', String(stream.length - 20)], stream.length - 20],
      ] as const;
      for (const [args, at] of name === 'one' ? places : places.slice(1, 3)) {
        const end = await cli(['peek', place, ...args, '--bytes', '40', '--json']);
        assert.equal(end.code, 0, end.stderr);
        const { window } = documents(end)[0] as { window: { start: number; base64: string; from: string } };
        assert.deepEqual([window.start, window.from], [at, 'source'], `${name} ${args}`);
        assert.deepEqual(Buffer.from(window.base64, 'base64'), stream.subarray(at, at + 40), `${name} ${args}`);
      }
    }
  });
});
