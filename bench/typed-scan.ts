/**
 * `npm run bench -- typed-scan`: the bench file read, typed and checked by the bare core, beside DuckDB's typed scan on one thread. Rounds alternate,
 * the first is not counted. Seconds of the processor are compared, as both run on one core and neighbours on the machine do not count.
 */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { bareCore, buildExample } from './bare-core.ts';
import { writeCoreFile } from './core-file.ts';
import { csvTable, duckdb, SUMS } from './duckdb.ts';
import { home, keep, median } from './keep.ts';

const ROUNDS = 5;
const file = join(home, 'core-4000000.csv');

mkdirSync(home, { recursive: true });
writeCoreFile(file);
const binary = await buildExample('millrace-engine', 'bare_core');
const mine: number[] = [];
const theirs: number[] = [];
for (let round = 0; round <= ROUNDS; round += 1) {
  const a = bareCore(binary, file, 'typed').processorSeconds;
  const b = duckdb(`SELECT ${SUMS} FROM ${csvTable(file)}`, 1).processorSeconds;
  if (round === 0) continue;
  mine.push(a);
  theirs.push(b);
  console.log(`round ${round}: millrace ${a.toFixed(2)} s, DuckDB ${b.toFixed(2)} s of the processor`);
}
const gigabytes = statSync(file).size / 1e9;
const result = {
  millrace: { processorSeconds: mine, median: median(mine), gigabytesPerSecond: gigabytes / median(mine) },
  duckdb: { processorSeconds: theirs, median: median(theirs), gigabytesPerSecond: gigabytes / median(theirs) },
  timesDuckDb: median(theirs) / median(mine),
};
keep('typed-scan', result);
console.log(`millrace ${result.millrace.gigabytesPerSecond.toFixed(3)} GB/s, ${result.timesDuckDb.toFixed(2)} × DuckDB`);
