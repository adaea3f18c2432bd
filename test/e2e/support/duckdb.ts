/** A second engine, so that nothing of ours checks itself. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Manifest } from '@millrace/protocol';

const paths = (parts: readonly { readonly uri: string }[]): string => `[${parts.map(({ uri }) => `'${fileURLToPath(uri).replaceAll("'", "''")}'`).join(', ')}]`;

export async function query(sql: string): Promise<unknown[][]> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  try {
    return (await connection.runAndReadAll(sql)).getRows();
  } finally {
    connection.closeSync();
  }
}

export const partsOf = (manifest: Manifest): string => `SELECT * FROM read_parquet(${paths(manifest.parts)})`;

/** Everything of a reject but what names its chunk and attempt, which differ by how the input was cut. */
const REJECT_COLUMNS =
  'file, etag, record, line, byte, "byteEnd", "errorLine", "errorByte", "column", "columnIndex", code, message, expected, value, raw, "rawTruncated"';
export const rejectsOf = (manifest: Manifest): string => `SELECT ${REJECT_COLUMNS} FROM read_parquet(${paths(manifest.rejects)})`;

/** Both give the same rows, each as often, and the same columns with the same types. */
export async function expectSameRows(what: string, one: string, other: string): Promise<void> {
  const [here, there] = [await query(`DESCRIBE ${one}`), await query(`DESCRIBE ${other}`)].map((rows) => rows.map(([name, type]) => `${name} ${type}`));
  assert.deepEqual(here, there, `columns of ${what}`);
  for (const [from, without] of [
    [one, other],
    [other, one],
  ]) {
    const surplus = await query(`SELECT * FROM ((${from}) EXCEPT ALL (${without})) LIMIT 3`);
    assert.deepEqual(surplus.map(String), [], `${what} that only one side has`);
  }
  const [[count]] = (await query(`SELECT count(*) FROM (${one})`)) as [[bigint]];
  assert.ok(count > 0n, `${what} are compared, but there are none`);
}
