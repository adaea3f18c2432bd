/** DuckDB on the bench file, in a process of its own. */
import { execFileSync } from 'node:child_process';
import { root } from '../scripts/setup.js';

export const DUCKDB_TYPES = `{'id': 'BIGINT', 'ts': 'TIMESTAMPTZ', 'user_id': 'BIGINT', 'method': 'VARCHAR', 'path': 'VARCHAR', 'status': 'BIGINT', 'latency': 'DOUBLE', 'ip': 'VARCHAR', 'agent': 'VARCHAR', 'md5': 'VARCHAR'}`;

/** The bench file as a table, with its store of rejects on. */
export const csvTable = (file: string): string =>
  `read_csv('${file}', header = true, delim = ',', quote = '"', escape = '"', auto_detect = false, columns = ${DUCKDB_TYPES}, store_rejects = true)`;

export const ndjsonTable = (file: string): string => `read_json('${file}', format = 'newline_delimited', auto_detect = false, columns = ${DUCKDB_TYPES})`;

/** Seconds of one statement, and of the processor in all its threads. */
export function duckdb(sql: string, threads: number): { seconds: number; processorSeconds: number } {
  const script = `
    import { DuckDBInstance } from '@duckdb/node-api';
    const duckdb = await (await DuckDBInstance.create(':memory:', { threads: '${threads}' })).connect();
    const startedAt = performance.now();
    const before = process.cpuUsage();
    await duckdb.run(${JSON.stringify(sql)});
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify({ seconds: (performance.now() - startedAt) / 1000, processorSeconds: (user + system) / 1e6 }));`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: root, encoding: 'utf8' }));
}

/** Every column is looked at, so that none is left out of the scan. */
export const SUMS = ['id', 'user_id', 'status', 'latency']
  .map((name) => `sum(${name})`)
  .concat(
    ['max(ts)'],
    ['method', 'path', 'ip', 'agent', 'md5'].map((name) => `sum(strlen(${name}))`),
  )
  .join(', ');
