/** `npm run bench -- gzip`: a gzip file of the bench file's first 1,000,000 rows, read as an input is, beside inflating alone with the same library. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildExample } from './bare-core.ts';
import { writeCoreFile } from './core-file.ts';
import { home, keep } from './keep.ts';

const ROWS = 1_000_000;
const plain = join(home, `core-${ROWS}.csv`);
const file = `${plain}.gz`;

mkdirSync(home, { recursive: true });
writeCoreFile(plain, ROWS);
if (!existsSync(file)) writeFileSync(file, gzipSync(readFileSync(plain), { level: 6 }));
const binary = await buildExample('millrace-formats', 'gzip_speed');
const result = JSON.parse(execFileSync(binary, [file], { encoding: 'utf8' }));
keep('gzip', result);
console.log(result);
