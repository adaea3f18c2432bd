/**
 * `npm run bench`: the bench file from CSV to Parquet (snappy) through the queue with rejects on, beside DuckDB on the same file in the same run, both on
 * one core and both on two. Rounds alternate, the first is not counted, medians and their ratio are kept in `bench/results/<date>-<host>.json`.
 *
 * What is timed of ours is the whole job as a producer sees it, from submit to its end: intake, probing, planning, chunks, receipts, manifest. Starting
 * Redis and the services, with a job of one record, is reported apart.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeCoreFile } from './core-file.ts';
import { csvTable, duckdb } from './duckdb.ts';
import { home, keep, median } from './keep.ts';
import { throughQueue } from './through-queue.ts';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '4000000' }, rounds: { type: 'string', default: '5' } } });
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const file = join(home, `core-${rows}.csv`);

/** Seconds of DuckDB's `COPY … TO … (FORMAT parquet, COMPRESSION snappy)` with its store of rejects on. */
function theirRun(threads: number): { seconds: number; bytesOut: number } {
  const out = join(home, `duckdb-${threads}.parquet`);
  const { seconds } = duckdb(`COPY (SELECT * FROM ${csvTable(file)}) TO '${out}' (FORMAT parquet, COMPRESSION snappy)`, threads);
  const bytesOut = statSync(out).size;
  rmSync(out);
  return { seconds, bytesOut };
}

async function compare(cores: number) {
  const mine: number[] = [];
  const theirs: number[] = [];
  const starts: number[] = [];
  let bytes = { millrace: 0, duckdb: 0 };
  for (let round = 0; round <= rounds; round += 1) {
    const a = await throughQueue(file, rows, cores);
    const b = theirRun(cores);
    bytes = { millrace: a.bytesOut, duckdb: b.bytesOut };
    if (round === 0) continue;
    mine.push(a.seconds);
    theirs.push(b.seconds);
    starts.push(a.startSeconds);
    console.log(`${cores} core${cores === 1 ? '' : 's'}, round ${round}: millrace ${a.seconds.toFixed(2)} s, DuckDB ${b.seconds.toFixed(2)} s`);
  }
  const gigabytes = statSync(file).size / 1e9;
  return {
    cores,
    millrace: { seconds: mine, median: median(mine), gigabytesPerSecond: gigabytes / median(mine), bytesOut: bytes.millrace, startSeconds: median(starts) },
    duckdb: { seconds: theirs, median: median(theirs), gigabytesPerSecond: gigabytes / median(theirs), bytesOut: bytes.duckdb },
    timesDuckDb: median(theirs) / median(mine),
  };
}

mkdirSync(home, { recursive: true });
console.log(`bench file: ${rows} rows, written once to .cache/bench`);
writeCoreFile(file, rows);
const comparisons = [await compare(1), await compare(2)];
keep('csv-to-parquet', { file: { rows, bytes: statSync(file).size }, comparisons });
for (const { cores, millrace, duckdb: other, timesDuckDb } of comparisons) {
  console.log(
    `${cores}: millrace ${millrace.gigabytesPerSecond.toFixed(3)} GB/s, DuckDB ${other.gigabytesPerSecond.toFixed(3)} GB/s, ${timesDuckDb.toFixed(2)} ×`,
  );
}
