/**
 * `npm run bench -- ndjson-to-parquet`: the rows of the bench file as NDJSON, to Parquet with snappy by the bare core, beside DuckDB on one thread.
 * Rounds alternate, the first is not counted; seconds of the processor, and by the clock.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { bareCore, buildExample } from './bare-core.ts';
import { writeCoreNdjson } from './core-file.ts';
import { duckdb, ndjsonTable } from './duckdb.ts';
import { home, keep, median } from './keep.ts';

const ROUNDS = 3;
const ROWS = 2_000_000;
const file = join(home, `core-${ROWS}.ndjson`);
const out = join(home, 'duckdb-ndjson.parquet');

mkdirSync(home, { recursive: true });
writeCoreNdjson(file, ROWS);
const binary = await buildExample('millrace-engine', 'bare_core');
const mine: { seconds: number; processorSeconds: number }[] = [];
const theirs: typeof mine = [];
for (let round = 0; round <= ROUNDS; round += 1) {
  const a = bareCore(binary, file, 'convert');
  const b = duckdb(`COPY (SELECT * FROM ${ndjsonTable(file)}) TO '${out}' (FORMAT parquet, COMPRESSION snappy)`, 1);
  rmSync(out, { force: true });
  if (a.rows !== ROWS) throw new Error(`expected ${ROWS} rows, got ${a.rows} and ${a.rejected} rejects`);
  if (round === 0) continue;
  mine.push({ seconds: a.seconds, processorSeconds: a.processorSeconds });
  theirs.push(b);
  console.log(`round ${round}: millrace ${a.processorSeconds.toFixed(2)} s, DuckDB ${b.processorSeconds.toFixed(2)} s of the processor`);
}
const processor = (runs: typeof mine) => median(runs.map((run) => run.processorSeconds));
const gigabytes = statSync(file).size / 1e9;
const result = {
  file: { rows: ROWS, bytes: statSync(file).size },
  millrace: { runs: mine, gigabytesPerSecond: gigabytes / processor(mine) },
  duckdb: { runs: theirs, gigabytesPerSecond: gigabytes / processor(theirs) },
  timesDuckDb: processor(theirs) / processor(mine),
};
keep('ndjson-to-parquet', result);
console.log(`millrace ${result.millrace.gigabytesPerSecond.toFixed(3)} GB/s, ${result.timesDuckDb.toFixed(2)} × DuckDB`);
