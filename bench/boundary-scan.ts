/**
 * `npm run bench -- boundary-scan`: where records begin and end, proven, over the bench file: in memory beside reading memory alone, and from the page
 * cache beside `read` alone. Needs the file in the page cache, so it is read once before.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildExample } from './bare-core.ts';
import { writeCoreFile } from './core-file.ts';
import { home, keep } from './keep.ts';

const file = join(home, 'core-4000000.csv');

mkdirSync(home, { recursive: true });
writeCoreFile(file);
const binary = await buildExample('millrace-scan', 'boundary_speed');
execFileSync(binary, [file, '10']);
const result = JSON.parse(execFileSync(binary, [file, '10'], { encoding: 'utf8' }));
keep('boundary-scan', result);
console.log(result);
