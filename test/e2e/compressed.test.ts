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
});
