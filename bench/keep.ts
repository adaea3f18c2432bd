/** Results of benches: one file for each day and machine, one entry in it for each bench. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, hostname, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from '../scripts/setup.js';

export const home = join(root, '.cache', 'bench');

export const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** Writes `result` below the bench's name, beside those of other benches. */
export function keep(name: string, result: object): void {
  const date = new Date().toISOString().slice(0, 10);
  const path = join(root, 'bench', 'results', `${date}-${hostname()}.json`);
  const before = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  // Files of the first days hold a single bench.
  const benchmarks = before.benchmark ? { [before.benchmark]: { file: before.file, comparisons: before.comparisons } } : before.benchmarks;
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), memoryBytes: totalmem(), node: process.version };
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ date, machine, benchmarks: { ...benchmarks, [name]: result } }, null, 2)}\n`);
}
