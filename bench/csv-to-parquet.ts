/**
 * `npm run bench`: the bench file from CSV to Parquet (snappy) through the queue with rejects on, beside DuckDB on the same file in the same run, both on
 * one core and both on two. Rounds alternate, the first is not counted, medians and their ratio are kept in `bench/results/<date>-<host>.json`.
 *
 * What is timed of ours is the whole job as a producer sees it, from submit to its end: intake, probing, planning, chunks, receipts, manifest. Starting
 * Redis and the services, with a job of one record, is reported apart.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { startLocalStack } from '../packages/cli/src/local-stack.ts';
import { writeCoreFile } from './core-file.ts';
import { csvTable, duckdb } from './duckdb.ts';
import { home, keep, median } from './keep.ts';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '4000000' }, rounds: { type: 'string', default: '5' } } });
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const file = join(home, `core-${rows}.csv`);

const warmUp = join(home, 'warm-up.csv');

const SCHEMA = {
  fields: [
    { name: 'id', type: 'integer', constraints: { required: true } },
    { name: 'ts', type: 'datetime' },
    { name: 'user_id', type: 'integer' },
    { name: 'method', type: 'string' },
    { name: 'path', type: 'string' },
    { name: 'status', type: 'integer' },
    { name: 'latency', type: 'number' },
    { name: 'ip', type: 'string' },
    { name: 'agent', type: 'string' },
    { name: 'md5', type: 'string' },
  ],
};
/** Seconds from submit to the end of the job, with `hosts` hosts of one slot each. */
async function ours(hosts: number): Promise<{ seconds: number; startSeconds: number; bytesOut: number }> {
  const out = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const startedAt = performance.now();
  const local = await startLocalStack({ directory: out, readRoots: [home], writeRoots: [out], hostSlots: Array.from({ length: hosts }, () => 1) });
  try {
    // The first job waits for the services to be up; that is reported as the start and not as the job.
    await (
      await local.producer.submit({ name: 'warm-up', inputs: pathToFileURL(warmUp).href, output: { uri: `${pathToFileURL(out).href}/warm-up/` } })
    ).result();
    const submittedAt = performance.now();
    const job = await local.producer.submit({
      name: 'bench',
      inputs: { uri: pathToFileURL(file).href, format: 'csv' },
      schema: SCHEMA,
      output: { uri: `${pathToFileURL(out).href}/bench/`, compression: 'snappy' },
    } as never);
    const result = await job.result();
    const seconds = (performance.now() - submittedAt) / 1000;
    if (result.rows !== rows || result.balance.rejected !== 0)
      throw new Error(`expected ${rows} rows and no reject, got ${result.rows} and ${result.balance.rejected}`);
    return { seconds, startSeconds: (submittedAt - startedAt) / 1000, bytesOut: result.bytes };
  } finally {
    await local.stop();
    rmSync(out, { recursive: true, force: true });
  }
}

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
    const a = await ours(cores);
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
writeFileSync(warmUp, 'id,name\n1,anna\n');
const comparisons = [await compare(1), await compare(2)];
keep('csv-to-parquet', { file: { rows, bytes: statSync(file).size }, comparisons });
for (const { cores, millrace, duckdb: other, timesDuckDb } of comparisons) {
  console.log(
    `${cores}: millrace ${millrace.gigabytesPerSecond.toFixed(3)} GB/s, DuckDB ${other.gigabytesPerSecond.toFixed(3)} GB/s, ${timesDuckDb.toFixed(2)} ×`,
  );
}
