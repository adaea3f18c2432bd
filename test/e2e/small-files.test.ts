/** Thousands of small files: chunks of many of them, with accounts, places and outputs as if each ran alone. DuckDB says what must come out. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chunkBytes, fileShares, type Manifest, type Segment } from '@millrace/protocol';
import { expectSameRows, partsOf } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { manifest, planSegments } from './support/journal-files.ts';
import { Workbench } from './support/workbench.ts';

const files = 5_000;
const perFile = 4;

const nameOf = (file: number): string => `${String(file % 50).padStart(2, '0')}/${String(Math.floor(file / 50)).padStart(4, '0')}.csv`;

/** Every third file has its columns the other way round; every tenth holds a record that is wrong. */
function textOf(file: number): string {
  const swapped = file % 3 === 0;
  const rows = Array.from({ length: perFile }, (_, at) => [String(file * perFile + at), `name ${at}`]);
  if (file % 10 === 0) rows.push(['x', 'wrong']);
  return [['id', 'name'], ...rows].map((row) => `${(swapped ? [...row].reverse() : row).join(',')}\n`).join('');
}

let bench: Workbench;
let data: string;
before(() => {
  bench = new Workbench('small-files');
  data = bench.path('data');
  for (let folder = 0; folder < 50; folder++) mkdirSync(join(data, String(folder).padStart(2, '0')), { recursive: true });
  for (let file = 0; file < files; file++) writeFileSync(join(data, nameOf(file)), textOf(file));
});
after(() => bench.close());

const schema = { fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] };

interface Ended {
  readonly manifest: Manifest;
  readonly segments: readonly Segment[];
}

/** Parts that carry the names of inputs are not what `expectTidy` looks for. */
async function run(name: string, uri: string | readonly string[], more: object = {}): Promise<Ended> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [bench.home] });
  try {
    const output = { uri: `${pathToFileURL(out).href}/`, ...('output' in more ? (more.output as object) : {}) };
    const spec = { name, inputs: { uri, format: 'csv' }, schema, rejects: { maxRatio: 1 }, ...more, output };
    const handle = await local.producer.submit(spec as never, { idempotencyKey: name });
    const status = await Promise.race([followToEnd(handle), local.failed]);
    assert.equal(status.state, 'completed', status.failure?.message);
    return { manifest: 'output' in more ? manifest(out, handle.jobId) : expectTidy(out, handle.jobId), segments: planSegments(out, handle.jobId) };
  } finally {
    await local.stop();
  }
}

describe('five thousand small files', () => {
  it('are a few chunks, and each file has its account, its header and its places', async () => {
    const { manifest, segments } = await run('many', `${pathToFileURL(data).href}/**/*.csv`);
    const chunks = segments.flatMap((segment) => segment.chunks);
    assert.deepEqual(
      chunks.map((chunk) => fileShares(chunk).length),
      [1_000, 1_000, 1_000, 1_000, 1_000],
    );
    assert.ok(chunks.every((chunk) => chunkBytes(chunk) < 64 << 20));
    assert.deepEqual([manifest.balance.recordsIn, manifest.balance.emitted, manifest.balance.rejected], [files * perFile + 500, files * perFile, 500]);
    assert.equal(manifest.files.length, files);
    for (const { uri, balance } of manifest.files) {
      const wrong = readFileSync(fileURLToPath(uri), 'utf8').includes('wrong') ? 1 : 0;
      assert.deepEqual([balance.recordsIn, balance.emitted, balance.rejected], [perFile + wrong, perFile, wrong], uri);
    }
    // One file of the same rows: DuckDB needs most of a minute for five thousand.
    const rows = Array.from({ length: files * perFile }, (_, id) => `${id},name ${id % perFile}\n`);
    writeFileSync(bench.path('truth.csv'), `id,name\n${rows.join('')}`);
    const truth = `SELECT id, name FROM read_csv('${bench.path('truth.csv')}', types = {'id': 'BIGINT', 'name': 'VARCHAR'})`;
    await expectSameRows('many small files', partsOf(manifest), truth);
  });
});

describe('small files', () => {
  it('get an output each under layout perInput, whatever chunk they ran in', async () => {
    const { manifest, segments } = await run('per-input', `${pathToFileURL(data).href}/0[0-2]/*.csv`, { output: { format: 'csv', layout: 'perInput' } });
    assert.equal(segments.flatMap((segment) => segment.chunks).length, 1);
    assert.equal(manifest.parts.length, 300);
    for (const part of manifest.parts) {
      const file = manifest.files.find((one) => one.file === part.file);
      assert.match(part.uri, /\/0[0-2]\/\d{4}-/);
      const ids = readFileSync(fileURLToPath(part.uri), 'utf8').trim().split('\n').slice(1);
      const source = readFileSync(fileURLToPath(file?.uri ?? ''), 'utf8');
      assert.equal(ids.length, perFile);
      assert.ok(ids.every((line) => source.includes(line.split(',')[0] ?? '?')));
    }
  });

  it('that are compressed are grouped too', async () => {
    const packed = bench.path('packed');
    mkdirSync(packed);
    for (let file = 0; file < 300; file++) writeFileSync(join(packed, `${String(file).padStart(4, '0')}.csv.gz`), gzipSync(textOf(file)));
    const { manifest, segments } = await run('packed-out', `${pathToFileURL(packed).href}/*.csv.gz`);
    assert.deepEqual(
      segments.flatMap((segment) => segment.chunks).map((chunk) => chunk.kind),
      ['files'],
    );
    assert.deepEqual([manifest.balance.emitted, manifest.balance.rejected], [300 * perFile, 30]);
  });

  it('that cannot be planned are dead letters of their own, and the others run', async () => {
    const mixed = bench.path('mixed');
    mkdirSync(mixed);
    for (let file = 0; file < 20; file++) writeFileSync(join(mixed, `${String(file).padStart(2, '0')}.csv`), textOf(file));
    writeFileSync(join(mixed, '07.csv'), 'other,columns\n1,2\n');
    const { manifest, segments } = await run('mixed-out', `${pathToFileURL(mixed).href}/*.csv`, { deadLetters: { maxChunks: 1 } });
    assert.deepEqual(
      segments.flatMap((segment) => segment.chunks).map((chunk) => fileShares(chunk).length),
      [19],
    );
    assert.deepEqual(
      manifest.gaps.map(({ chunk, code }) => [chunk, code]),
      [['plan.7', 'SCHEMA_MISSING_COLUMN']],
    );
    assert.equal(manifest.balance.emitted, 19 * perFile);
  });
});
