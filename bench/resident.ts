/**
 * `npm run bench -- resident`: the largest resident size of a core, over inputs that try to make it large, at default settings. Each case is a job of its own
 * through `millrace run` with one worker; the figure is `VmHWM` of its core. A case may end in rejects or in a dead letter: what counts is the size.
 */
import { copyFileSync, createWriteStream, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { runAndMeasure } from '../test/e2e/support/peak-memory.ts';
import { keep } from './keep.ts';

const MiB = 1024 * 1024;

interface Case {
  readonly name: string;
  readonly file: string;
  readonly make: (path: string) => Promise<void> | void;
  readonly args?: readonly string[];
}

function* orders(bytes: number): Generator<string> {
  let made = 0;
  for (let id = 0; made < bytes; ) {
    const lines: string[] = [];
    for (let n = 0; n < 5_000; n += 1, id += 1)
      lines.push(
        `${id},"name ${id}, of ${(id * 7919) % 104_729}",${(id * 31) % 100_000}.${id % 100},2026-01-${String((id % 28) + 1).padStart(2, '0')},${(id * 2_654_435_761) % 4_294_967_296}`,
      );
    const text = `${lines.join('\n')}\n`;
    made += text.length;
    yield text;
  }
}
const header = 'id,name,amount,day,hash\n';

function* jsonLines(bytes: number): Generator<string> {
  let made = 0;
  for (let id = 0; made < bytes; ) {
    const lines: string[] = [];
    for (let n = 0; n < 5_000; n += 1, id += 1)
      lines.push(`{"id":${id},"name":"name ${id}","tags":["a","b",${id}],"at":{"day":"2026-01-01","n":${id % 97}},"amount":${id}.5}`);
    const text = `${lines.join('\n')}\n`;
    made += text.length;
    yield text;
  }
}

function* after<T>(first: T, rest: Iterable<T>): Generator<T> {
  yield first;
  yield* rest;
}

async function write(path: string, chunks: Iterable<string | Buffer>, ...through: NodeJS.ReadWriteStream[]): Promise<void> {
  await pipeline([Readable.from(chunks), ...through, createWriteStream(path)]);
}

function* repeated(piece: Buffer, times: number): Generator<Buffer> {
  for (let n = 0; n < times; n += 1) yield piece;
}

async function sql(query: string): Promise<void> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run(query);
  connection.closeSync();
}

const idAndText = ['--set', 'schema={"fields":[{"name":"id","type":"integer"},{"name":"text"}]}'];
const wholeLines = ['--set', 'inputs.format=lines', '--set', 'inputs.lines.regex=^(?<id>[0-9]+),(?<text>.*)$', '--schema', 'text'];

const cases: readonly Case[] = [
  { name: 'CSV of 512 MiB', file: 'a.csv', make: (path) => write(path, after(header, orders(512 * MiB))) },
  { name: 'the same, zstd output', file: 'a.csv', make: (path) => write(path, after(header, orders(256 * MiB))), args: ['--set', 'output.compression=zstd'] },
  { name: 'all text, low and high cardinality', file: 'a.csv', make: (path) => write(path, after(header, orders(256 * MiB))), args: ['--schema', 'text'] },
  { name: 'gzip of one member', file: 'a.csv.gz', make: (path) => write(path, after(header, orders(256 * MiB)), createGzip({ level: 1 })) },
  {
    name: 'zstd of one frame, window 128 MiB',
    file: 'a.csv.zst',
    make: (path) =>
      write(
        path,
        after(header, orders(256 * MiB)),
        createZstdCompress({
          params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_enableLongDistanceMatching]: 1 },
        }),
      ),
  },
  { name: 'zstd of one frame, level 3', file: 'a.csv.zst', make: (path) => write(path, after(header, orders(256 * MiB)), createZstdCompress()) },
  { name: 'UTF-16', file: 'a.csv', make: (path) => write(path, utf16(after(`\uFEFF${header}`, orders(100 * MiB)))) },
  { name: 'a quote that is never closed, 5 GiB', file: 'a.csv', make: (path) => loneQuote(path), args: ['--encoding', 'utf-8', '--format', 'csv'] },
  { name: 'records of 16 MiB', file: 'a.csv', make: (path) => write(path, after('id,text\n', wide(12, 15 * MiB))), args: ['--schema', 'text'] },
  { name: 'a record of 64 MiB', file: 'a.csv', make: (path) => write(path, after('id,text\n', wide(2, 64 * MiB))), args: ['--schema', 'text'] },
  {
    name: 'a record of 63 MiB, maxRecordSize 64 MiB',
    file: 'a.csv',
    make: (path) => write(path, after('id,text\n', wide(3, 63 * MiB))),
    args: ['--schema', 'text', '--set', 'inputs.maxRecordSize=64MiB'],
  },
  { name: '20,000 columns', file: 'a.csv', make: (path) => write(path, columns(20_000, 600)), args: ['--schema', 'text'] },
  { name: '20,000 columns, typed', file: 'a.csv', make: (path) => write(path, columns(20_000, 600)) },
  {
    name: '1,000 partition values',
    file: 'a.csv',
    make: (path) => write(path, after(header, orders(64 * MiB))),
    args: ['--sql', 'SELECT *, CAST(id AS BIGINT) % 1000 AS p FROM input', '--set', 'output.partitionBy=["p"]'],
  },
  {
    name: 'rejects only',
    file: 'a.csv',
    make: (path) => write(path, after(header, orders(128 * MiB))),
    args: [
      '--set',
      'schema={"fields":[{"name":"id","type":"date"},{"name":"name"},{"name":"amount"},{"name":"day"},{"name":"hash"}]}',
      '--max-reject-ratio',
      '1',
    ],
  },
  { name: 'NDJSON', file: 'a.ndjson', make: (path) => write(path, jsonLines(256 * MiB)) },
  { name: 'a JSON array', file: 'a.json', make: (path) => write(path, array(jsonLines(128 * MiB))) },
  {
    name: 'lines by grok',
    file: 'a.log',
    make: (path) => write(path, logLines(64 * MiB)),
    args: ['--set', 'inputs.format=lines', '--set', 'inputs.lines.grok=%{COMBINEDAPACHELOG}'],
  },
  {
    name: 'Parquet, row groups of 1 M rows, zstd',
    file: 'a.parquet',
    make: (path) =>
      sql(
        `COPY (SELECT i AS id, 'name ' || (i * 7919 % 104729) AS name, i * 1.5 AS amount, md5(i::VARCHAR) AS hash FROM range(4000000) t(i)) TO '${path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 1000000)`,
      ),
  },
  {
    name: 'Parquet, values of 1 MiB',
    file: 'a.parquet',
    make: (path) => sql(`COPY (SELECT i AS id, repeat(md5(i::VARCHAR), 32768) AS text FROM range(200) t(i)) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`),
  },
  {
    name: 'a bomb of gzip, zeros',
    file: 'a.csv.gz',
    make: (path) => write(path, after<string | Buffer>('id\n', repeated(Buffer.alloc(MiB, 48), 4096)), createGzip({ level: 1 })),
    args: ['--format', 'csv'],
  },
  {
    name: 'CSV output, gzip',
    file: 'a.csv',
    make: (path) => write(path, after(header, orders(128 * MiB))),
    args: ['--set', 'output.format=csv', '--set', 'output.compression=gzip'],
  },
  { name: 'NDJSON, values of 1 MiB', file: 'a.ndjson', make: (path) => write(path, wideJson(200, MiB)) },
  { name: 'NDJSON, records of 16 MiB', file: 'a.ndjson', make: (path) => write(path, wideJson(12, 15 * MiB)), args: idAndText },
  { name: 'a JSON array, values of 1 MiB', file: 'a.json', make: (path) => write(path, array(wideJson(200, MiB))) },
  { name: 'a JSON array, records of 16 MiB', file: 'a.json', make: (path) => write(path, array(wideJson(12, 15 * MiB))), args: idAndText },
  { name: 'lines of 1 MiB', file: 'a.log', make: (path) => write(path, wide(200, MiB)), args: wholeLines },
  { name: 'lines of 16 MiB', file: 'a.log', make: (path) => write(path, wide(12, 15 * MiB)), args: wholeLines },
  { name: 'CSV, values of 1 MiB', file: 'a.csv', make: (path) => write(path, after('id,text\n', wide(200, MiB))) },
  {
    name: 'UTF-16, records of 16 MiB',
    file: 'a.csv',
    make: (path) => write(path, utf16(after('\uFEFFid,text\n', wide(12, 7 * MiB)))),
    args: ['--schema', 'text'],
  },
  {
    name: 'Parquet, values of 15 MiB',
    file: 'a.parquet',
    make: (path) => sql(`COPY (SELECT i AS id, repeat(md5(i::VARCHAR), 491520) AS text FROM range(16) t(i)) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`),
  },
  { name: 'Arrow, values of 1 MiB', file: 'a.arrow', make: (path) => asArrow(path, wide(200, MiB)) },
  { name: 'Arrow, values of 15 MiB', file: 'a.arrow', make: (path) => asArrow(path, wide(12, 15 * MiB)) },
  ...['csv', 'ndjson', 'arrow'].map((format) => ({
    name: `values of 1 MiB to ${format}`,
    file: 'a.csv',
    make: (path: string) => write(path, after('id,text\n', wide(200, MiB))),
    args: ['--set', `output.format=${format}`],
  })),
  { name: 'Arrow output', file: 'a.csv', make: (path) => write(path, after(header, orders(128 * MiB))), args: ['--set', 'output.format=arrow'] },
];

function* utf16(texts: Iterable<string>): Generator<Buffer> {
  for (const text of texts) yield Buffer.from(text, 'utf16le');
}

async function loneQuote(path: string): Promise<void> {
  writeFileSync(path, 'id,text\n1,"');
  truncateSync(path, 5 * 1024 * MiB);
}

function* wide(records: number, bytes: number): Generator<string> {
  for (let id = 0; id < records; id += 1) yield `${id},${'x'.repeat(bytes)}\n`;
}

function* wideJson(records: number, bytes: number): Generator<string> {
  for (let id = 0; id < records; id += 1) yield `{"id":${id},"text":"${'x'.repeat(bytes)}"}\n`;
}

/** The rows of a CSV file as an Arrow file, which is ours: nothing else here writes them. */
async function asArrow(path: string, rows: Iterable<string>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-resident-'));
  try {
    await write(join(directory, 'a.csv'), after('id,text\n', rows));
    const out = join(directory, 'out');
    mkdirSync(out);
    const { end } = await runAndMeasure(['run', join(directory, 'a.csv'), '--out', out, '--workers', '1', '--json', '--set', 'output.format=arrow']);
    const part = readdirSync(out).find((name) => name.startsWith('part-'));
    if (part === undefined) throw new Error(`no Arrow file was written: ${end.stderr}`);
    copyFileSync(join(out, part), path);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function* columns(count: number, rows: number): Generator<string> {
  yield `${Array.from({ length: count }, (_, n) => `c${n}`).join(',')}\n`;
  for (let row = 0; row < rows; row += 1) yield `${Array.from({ length: count }, (_, n) => (row * 31 + n) % 1000).join(',')}\n`;
}

function* array(pieces: Iterable<string>): Generator<string> {
  let first = true;
  for (const piece of pieces) {
    yield `${first ? '[' : ','}${piece.trimEnd().replaceAll('\n', ',\n')}`;
    first = false;
  }
  yield ']\n';
}

function* logLines(bytes: number): Generator<string> {
  const line = (n: number) => `10.0.${n % 256}.${n % 199} - - [23/Nov/2026:10:00:0${n % 10} +0000] "GET /a/${n} HTTP/1.1" 200 ${n} "-" "curl/8.${n % 9}"\n`;
  for (let n = 0, made = 0; made < bytes; ) {
    let text = '';
    for (let k = 0; k < 2_000; k += 1, n += 1) text += line(n);
    made += text.length;
    yield text;
  }
}

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const results: { name: string; peakMiB: number; state: string; seconds: number }[] = [];
for (const one of cases.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)))) {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-resident-'));
  try {
    const path = join(directory, one.file);
    mkdirSync(join(directory, 'out'));
    await one.make(path);
    const startedAt = performance.now();
    const { end, coreBytes } = await runAndMeasure(['run', path, '--out', join(directory, 'out'), '--workers', '1', '--json', ...(one.args ?? [])]);
    const last = end.stdout.trimEnd().split('\n').at(-1) ?? '';
    const state =
      end.code === 0
        ? 'completed'
        : `exit ${end.code}: ${(/"code":"([A-Z_]+)"/.exec(last + end.stderr)?.[1] ?? end.stderr.trim().split('\n').at(-1) ?? '').slice(0, 80)}`;
    const result = { name: one.name, peakMiB: Math.round(coreBytes / MiB), state, seconds: Math.round((performance.now() - startedAt) / 100) / 10 };
    results.push(result);
    console.log(`${one.name}: ${result.peakMiB} MiB, ${state}, ${result.seconds} s, ${Math.round(statSync(path).size / MiB)} MiB in`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
if (wanted.length === 0) keep('resident', { boundMiB: 256, cases: results });
