/** `npm run bench -- <name>`; without a name the end-to-end bench from CSV to Parquet. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../scripts/setup.js';

const NOT_BENCHES = new Set(['run', 'keep', 'core-file', 'bare-core', 'bare-route', 'duckdb', 'reduce-file', 'through-queue']);
const names = readdirSync(join(root, 'bench'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .filter((name) => !NOT_BENCHES.has(name));

const [wanted] = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const name = names.includes(wanted ?? '') ? wanted : undefined;
if (wanted !== undefined && name === undefined && !/^\d+$/.test(wanted)) {
  console.error(`there is no bench ${wanted}; there are ${names.join(', ')}`);
  process.exit(64);
}
if (name !== undefined) process.argv.splice(process.argv.indexOf(name), 1);
await import(`./${name ?? 'csv-to-parquet'}.ts`);
