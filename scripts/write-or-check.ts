/** What every generator of a page does at its end. */
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { root } from './setup.js';

/** Writes the page, or with `--check` on the command line says whether it is as it would be written: exit code 1 when not. */
export function writeOrCheck(path: string, written: string, source: string): void {
  if (!process.argv.includes('--check')) writeFileSync(path, written);
  else if (written !== readFileSync(path, 'utf8')) {
    console.error(`${relative(root, path)} is not what ${source}; npm run generate writes it`);
    process.exitCode = 1;
  }
}
