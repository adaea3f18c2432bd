/**
 * Compares a finished job with the truth recorded when its data were generated: the balance, every file's sums, each reject's place and code, and
 * the rows as a multiset. Parts and rejects are read by DuckDB, so that nothing of ours checks itself.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DuckDBConnection } from '@duckdb/node-api';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { digestOfSums, type RowDigest } from './digest.ts';
import type { PlantedFault } from './faults.ts';
import type { Expected } from './write-data.ts';

export interface Verification {
  /** One sentence for each thing that is not as it must be; empty when all is right. */
  readonly differences: readonly string[];
  readonly rows: number;
  readonly rejects: number;
}

interface ManifestView {
  readonly state: string;
  readonly balance: Readonly<Record<string, number>>;
  readonly files: readonly { readonly uri: string; readonly balance: Readonly<Record<string, number>> }[];
  readonly parts: readonly { readonly uri: string }[];
  readonly rejects: readonly { readonly uri: string }[];
  readonly pages?: readonly { readonly list: string; readonly name: string }[];
}

const SHOWN = 5;
const FATES = ['recordsIn', 'emitted', 'filtered', 'deduplicated', 'rejected'] as const;

/** `dataDirectory` is what `generate` wrote, `outDirectory` the output place of the job. Throws when either cannot be read. */
export async function verifyOutput(dataDirectory: string, outDirectory: string): Promise<Verification> {
  const expected = JSON.parse(readText(join(dataDirectory, 'expected.json'))) as Expected;
  const manifest = readManifest(outDirectory);
  const differences = [...compareBalances(expected, manifest)];
  const duckdb = await openDuckDb();
  try {
    const rows = await digestRows(duckdb, manifest.parts.map(pathOf), expected.columns);
    if (JSON.stringify(rows) !== JSON.stringify(expected.rows)) {
      differences.push(`rows: expected ${JSON.stringify(expected.rows)}, got ${JSON.stringify(rows)}`);
    }
    const rejects = await readRejectPlaces(duckdb, manifest.rejects.map(pathOf));
    differences.push(...compareRejects(readTruth(dataDirectory), rejects));
    return { differences, rows: rows.rows, rejects: rejects.length };
  } finally {
    duckdb.closeSync();
  }
}

const pathOf = (part: { readonly uri: string }): string => fileURLToPath(part.uri);

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandError(exitCodes.notFound, `cannot read ${path}: ${(error as Error).message}`);
  }
}

function readManifest(outDirectory: string): ManifestView {
  const success = JSON.parse(readText(join(outDirectory, '_SUCCESS'))) as { manifest: string };
  const path = success.manifest.startsWith('file:') ? fileURLToPath(success.manifest) : join(outDirectory, success.manifest);
  const manifest = JSON.parse(readText(path)) as ManifestView;
  const lists = { files: [...manifest.files], parts: [...manifest.parts], rejects: [...manifest.rejects] };
  // Of a job with very many parts they stand in pages, in the folder that is called as the manifest.
  for (const { list, name } of manifest.pages ?? []) {
    const page = JSON.parse(readText(join(path.replace(/\.json$/, ''), name))) as { entries: never[] };
    if (list in lists) lists[list as keyof typeof lists].push(...page.entries);
  }
  return { ...manifest, ...lists };
}

async function openDuckDb(): Promise<DuckDBConnection> {
  try {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    return await (await DuckDBInstance.create(':memory:')).connect();
  } catch (error) {
    throw new CommandError(
      exitCodes.notInstalled,
      'generate --verify reads outputs with DuckDB, which is not installed',
      'Run `npm install --no-save @duckdb/node-api`.',
      {
        cause: String(error),
      },
    );
  }
}

function* compareBalances(expected: Expected, manifest: ManifestView): Generator<string> {
  if (manifest.state !== 'completed') yield `the manifest says ${manifest.state}`;
  for (const fate of FATES) {
    if (manifest.balance[fate] !== expected.balance[fate]) yield `balance.${fate}: expected ${expected.balance[fate]}, got ${manifest.balance[fate]}`;
  }
  for (const file of expected.files) {
    const found = manifest.files.find(({ uri }) => basename(decodeURIComponent(new URL(uri).pathname)) === file.file);
    for (const fate of ['recordsIn', 'emitted', 'filtered', 'rejected'] as const) {
      if (found?.balance[fate] !== file[fate]) yield `${file.file} ${fate}: expected ${file[fate]}, got ${found?.balance[fate]}`;
    }
  }
}

const list = (paths: readonly string[]): string => `[${paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ')}]`;

/** The canonical row of `digest.ts`, spelled in SQL. */
function canonicalSql(columns: readonly string[], types: ReadonlyMap<string, string>): string {
  const parts = columns.map((column) => {
    const name = `"${column.replaceAll('"', '""')}"`;
    const type = types.get(column) ?? 'VARCHAR';
    const text = type.startsWith('TIMESTAMP WITH') ? `strftime(${name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')` : `CAST(${name} AS VARCHAR)`;
    return `CASE WHEN ${name} IS NULL THEN '-' ELSE length(${text}) || ':' || ${text} END`;
  });
  return `concat(${parts.join(', ')})`;
}

async function digestRows(duckdb: DuckDBConnection, parts: readonly string[], columns: readonly string[]): Promise<RowDigest> {
  if (parts.length === 0) return digestOfSums(0, 0n, 0n, 0n, 0n, 0n);
  const source = sourceOf(parts);
  const described = await duckdb.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`);
  const types = new Map(described.getRows().map((row) => [String(row[0]), String(row[1])]));
  const missing = columns.filter((column) => !types.has(column));
  if (missing.length > 0) throw new CommandError(exitCodes.failed, `the output lacks the columns ${missing.join(', ')}`);
  const word = (from: number): string => `CAST(CAST('0x' || substr(digest, ${from}, 8) AS UBIGINT) AS HUGEINT)`;
  const result = await duckdb.runAndReadAll(`
    WITH digests AS (SELECT sha256(${canonicalSql(columns, types)}) AS digest FROM ${source}),
         words AS (SELECT ${word(1)} AS high, ${word(9)} AS low FROM digests)
    SELECT count(*), sum(high), sum(low), sum(high * high), sum(high * low), sum(low * low) FROM words`);
  const [rows = 0, ...sums] = result.getRows()[0] ?? [];
  const [high = 0n, low = 0n, highHigh = 0n, highLow = 0n, lowLow = 0n] = sums.map((sum) => BigInt(String(sum ?? 0)));
  return digestOfSums(Number(rows), high, low, highHigh, highLow, lowLow);
}

function sourceOf(parts: readonly string[]): string {
  const first = parts[0] ?? '';
  if (/\.csv(\.gz|\.zst)?$/.test(first)) return `read_csv(${list(parts)}, header = true, all_varchar = true, nullstr = '', quote = '"', escape = '"')`;
  if (/\.ndjson(\.gz|\.zst)?$/.test(first)) return `read_json(${list(parts)}, format = 'newline_delimited')`;
  return `read_parquet(${list(parts)})`;
}

const placeText = (fault: Omit<PlantedFault, 'kind'>): string =>
  `${fault.file} record ${fault.record} line ${fault.line} bytes ${fault.byte}-${fault.byteEnd} column ${fault.column ?? '-'} ${fault.code}`;

async function readRejectPlaces(duckdb: DuckDBConnection, files: readonly string[]): Promise<string[]> {
  if (files.length === 0) return [];
  const result = await duckdb.runAndReadAll(`SELECT file, record, line, byte, "byteEnd", "column", code FROM read_parquet(${list(files)})`);
  return result.getRows().map(([file, record, line, byte, byteEnd, column, code]) =>
    placeText({
      file: basename(String(file)),
      record: Number(record),
      line: Number(line),
      byte: Number(byte),
      byteEnd: Number(byteEnd),
      column: column === null ? null : String(column),
      code: String(code),
    }),
  );
}

function readTruth(dataDirectory: string): string[] {
  const lines = readText(join(dataDirectory, 'truth.ndjson')).split('\n');
  return lines.filter((line) => line !== '').map((line) => placeText(JSON.parse(line) as PlantedFault));
}

function* compareRejects(expected: readonly string[], found: readonly string[]): Generator<string> {
  const open = new Map<string, number>();
  for (const place of expected) open.set(place, (open.get(place) ?? 0) + 1);
  for (const place of found) open.set(place, (open.get(place) ?? 0) - 1);
  const missing = [...open].filter(([, balance]) => balance > 0);
  const surplus = [...open].filter(([, balance]) => balance < 0);
  if (missing.length > 0)
    yield `${missing.length} planted faults were not rejected so, first: ${missing
      .slice(0, SHOWN)
      .map(([place]) => place)
      .join(' | ')}`;
  if (surplus.length > 0)
    yield `${surplus.length} rejects that nobody planted, first: ${surplus
      .slice(0, SHOWN)
      .map(([place]) => place)
      .join(' | ')}`;
}
