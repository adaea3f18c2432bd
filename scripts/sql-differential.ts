/**
 * What DuckDB answers to the queries of crates/sql/tests/differential, one line of JSON a query. `--write` keeps the answers, which `cargo test` then
 * compares with ours; without it they are compared with those kept.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { DuckDBInstance } from '@duckdb/node-api';

const folder = new URL('../native/rust-core/crates/sql/tests/differential/', import.meta.url);
const path = (name: string) => new URL(name, folder).pathname;

const ORDERS = "id: 'BIGINT', k: 'BIGINT', city: 'VARCHAR', n: 'BIGINT', amount: 'DECIMAL(10, 2)', f: 'DOUBLE', day: 'DATE', ok: 'BOOLEAN'";
const CITIES = "name: 'VARCHAR', country: 'VARCHAR', people: 'BIGINT'";

/** The queries, one a line, without comments and semicolons. */
async function readQueries(): Promise<string[]> {
  const lines = (await readFile(path('queries.sql'), 'utf8')).split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('--')).map((line) => line.replace(/;$/, ''));
}

async function answers(queries: string[]): Promise<string> {
  const database = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await database.connect();
  await connection.run(`CREATE TABLE input AS SELECT * FROM read_json('${path('orders.ndjson')}', columns = {${ORDERS}})`);
  await connection.run(`CREATE TABLE cities AS SELECT * FROM read_json('${path('cities.ndjson')}', columns = {${CITIES}})`);
  const lines: string[] = [];
  for (const query of queries) {
    const spelled = query.replace(/\b(first|last)_value\((\w+ ORDER BY)/g, '$1($2');
    const reader = await connection.runAndReadAll(`SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (${spelled}) answer`);
    lines.push(JSON.stringify({ query, rows: reader.getRows() }));
  }
  connection.closeSync();
  database.closeSync();
  return `${lines.join('\n')}\n`;
}

const found = await answers(await readQueries());
if (process.argv.includes('--write')) {
  await writeFile(path('expected.ndjson'), found);
} else if (found !== (await readFile(path('expected.ndjson'), 'utf8'))) {
  console.error('DuckDB answers otherwise than expected.ndjson says; look at the difference, then run with --write');
  process.exitCode = 1;
}
