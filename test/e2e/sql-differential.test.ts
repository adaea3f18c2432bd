/** The answers that `cargo test` compares ours with are still what DuckDB says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

test("kept answers are DuckDB's", () => {
  const script = new URL('../../scripts/sql-differential.ts', import.meta.url).pathname;
  const ended = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  assert.equal(ended.status, 0, ended.stderr);
});
