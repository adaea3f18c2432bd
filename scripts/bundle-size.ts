/**
 * `npm run bundle-size`: how much JavaScript each page of the dashboard needs at its first visit, gzipped; exits 1 when the first route needs more than
 * its budget. Reads the manifest of the last build.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from './setup.js';

const dist = join(root, 'packages/dashboard/dist');
/** Kilobytes of 1,000 bytes: the frame with the overview, which is where a visit begins. */
const budgetKilobytes = 180;

interface ManifestEntry {
  readonly file: string;
  readonly src?: string;
  readonly isEntry?: boolean;
  readonly imports?: readonly string[];
  readonly dynamicImports?: readonly string[];
}

if (!existsSync(join(dist, 'manifest.json'))) {
  console.error('cannot measure the dashboard: it is not built, run `npm run build -w packages/dashboard`');
  process.exit(1);
}
const manifest = JSON.parse(readFileSync(join(dist, 'manifest.json'), 'utf8')) as Readonly<Record<string, ManifestEntry>>;

const sizes = new Map<string, number>();
function gzipped(file: string): number {
  const known = sizes.get(file) ?? gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
  sizes.set(file, known);
  return known;
}

/** Files that the keys need, with all that they import at once. */
function filesOf(keys: readonly string[]): Set<string> {
  const files = new Set<string>();
  const seen = new Set<string>();
  const visit = (key: string): void => {
    const entry = manifest[key];
    if (entry === undefined || seen.has(key)) return;
    seen.add(key);
    if (entry.file.endsWith('.js')) files.add(entry.file);
    for (const each of entry.imports ?? []) visit(each);
  };
  for (const key of keys) visit(key);
  return files;
}

const entry = Object.keys(manifest).find((key) => manifest[key]?.isEntry === true) ?? '';
const shell = 'src/shell/shell.tsx';
const screens = Object.keys(manifest).filter((key) => key.startsWith('src/screens/'));
const kilobytesOf = (keys: readonly string[]): number => [...filesOf(keys)].reduce((sum, file) => sum + gzipped(file), 0) / 1_000;

for (const screen of screens.toSorted()) {
  const keys = screen.includes('/login/') ? [entry, screen] : [entry, shell, screen];
  console.log(`${kilobytesOf(keys).toFixed(1).padStart(7)} kB  ${screen.replace('src/screens/', '')}`);
}
const overview = 'src/screens/overview/overview.tsx';
/** With the charts, which load after it. */
const first = kilobytesOf([entry, shell, overview, ...(manifest[overview]?.dynamicImports ?? [])]);
const isWithin = first <= budgetKilobytes;
console.log(`first route: ${first.toFixed(1)} kB of ${budgetKilobytes} kB JavaScript, gzipped${isWithin ? '' : ': too much'}`);
process.exit(isWithin ? 0 : 1);
