/** The file of the reduce bench: rows with a number key of 1 M values and a text key of which a fifth comes a second time. Made once, by DuckDB. */
import { existsSync, renameSync } from 'node:fs';
import { duckdb } from './duckdb.ts';

export type ReduceFormat = 'parquet' | 'csv';

/** Distinct number keys, scattered by a multiplicative hash so that equal ones never stand together. */
export const KEYS = 1_000_000;

/** Rows with a text key that an earlier row has too: those are what `dedupe` drops. */
export const repeats = (rows: number): number => Math.floor(rows / 5);

/** Columns as DuckDB reads them from CSV. */
export const REDUCE_TYPES = `{'id': 'BIGINT', 'k': 'BIGINT', 'email': 'VARCHAR', 'n': 'BIGINT', 'f': 'DOUBLE', 'ts': 'TIMESTAMPTZ'}`;

export function writeReduceFile(path: string, rows: number, format: ReduceFormat): void {
  if (existsSync(path)) return;
  const distinct = rows - repeats(rows);
  const select = `SELECT i AS id, (i * 2654435761) % ${KEYS} AS k, 'user' || (((i % ${distinct}) * 2654435761) % 4294967296) || '@example.com' AS email,
    i % 1000 AS n, (i % 1000) / 7.0::DOUBLE AS f, make_timestamptz((1767225600 + (i * 7919) % 31536000) * 1000000) AS ts FROM range(${rows}) t(i)`;
  const options = format === 'csv' ? `FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ'` : 'FORMAT parquet, COMPRESSION snappy';
  duckdb(`SET TimeZone = 'UTC'; COPY (${select}) TO '${path}.part' (${options})`, 2);
  renameSync(`${path}.part`, path);
}

/** One row for each number key, for joins. Made once, by DuckDB. */
export function writeKeysFile(path: string): void {
  if (existsSync(path)) return;
  duckdb(`COPY (SELECT i AS key, 'label ' || i AS label FROM range(${KEYS}) t(i)) TO '${path}.part' (FORMAT parquet, COMPRESSION snappy)`, 2);
  renameSync(`${path}.part`, path);
}
