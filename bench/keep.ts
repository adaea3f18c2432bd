/** Results of benches: one file for each day and machine, one entry in it for each bench. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, hostname, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from '../scripts/setup.js';

export const home = join(root, '.cache', 'bench');

export const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), memoryBytes: totalmem(), node: process.version };

/** The day's file of this machine: another machine of the same name that kept results on that day has its own. */
function dayOf(date: string): { path: string; benchmarks: object } {
  for (let number = 1; ; number++) {
    const path = join(root, 'bench', 'results', `${date}-${hostname()}${number === 1 ? '' : `-${number}`}.json`);
    if (!existsSync(path)) return { path, benchmarks: {} };
    const kept = JSON.parse(readFileSync(path, 'utf8'));
    if (kept.machine.cpu === machine.cpu && kept.machine.cores === machine.cores) return { path, benchmarks: kept.benchmarks };
  }
}

/** Writes `result` below the bench's name, beside those of other benches. */
export function keep(name: string, result: object): void {
  const date = new Date().toISOString().slice(0, 10);
  const { path, benchmarks } = dayOf(date);
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ date, machine, benchmarks: { ...benchmarks, [name]: result } }, null, 2)}\n`);
}
