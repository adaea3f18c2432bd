/**
 * The rules that hold the project together, checked on the text of every source file: who may import whom, one file for each outside thing, no
 * import cycles, no clock and no environment by the back door, one word for one thing. Prints each breach with its reason; exits 1 if any.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Package → packages it may import. Services and `producer` never import one another; only `cli` composes services. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  'service-kit': ['protocol'],
  'core-client': ['protocol', 'service-kit'],
  journal: ['protocol', 'service-kit', 'core-client'],
  queues: ['protocol'],
  producer: ['protocol', 'queues'],
  scheduler: ['protocol', 'service-kit', 'core-client', 'journal', 'queues'],
  'worker-host': ['protocol', 'service-kit', 'core-client', 'journal', 'queues'],
  'api-contract': ['protocol'],
  api: ['api-contract', 'protocol', 'service-kit', 'core-client', 'journal', 'queues'],
  dashboard: ['api-contract', 'protocol'],
  cli: ['api-contract', 'protocol', 'service-kit', 'core-client', 'journal', 'queues', 'producer'],
};

/** Outside thing → the only files that may touch it. */
const ONE_FILE: readonly { readonly what: RegExp; readonly files: RegExp; readonly reason: string }[] = [
  {
    what: /from ['"]bullmq['"]/,
    files: /^packages\/queues\/src\/task-queues\.ts$|^test\/assumptions\/|^bench\//,
    reason: 'only task-queues.ts imports bullmq',
  },
  { what: /from ['"]ioredis['"]/, files: /^packages\/queues\/src\/redis\.ts$|^test\/assumptions\/|^bench\//, reason: 'only redis.ts imports ioredis' },
  { what: /from ['"]pino['"]/, files: /^packages\/service-kit\/src\/logger\.ts$/, reason: 'only logger.ts imports pino' },
  {
    what: /from ['"]prom-client['"]/,
    files: /^packages\/service-kit\/src\/metrics\.ts$/,
    reason: 'only metrics.ts of service-kit imports prom-client: it is to be replaced one day',
  },
  { what: /\/generated\//, files: /^packages\/protocol\/src\/wire\/|^scripts\//, reason: 'generated FlatBuffers code stops at the codec' },
  {
    what: /\bprocess\.env\b/,
    files: /\/main\.ts$|^packages\/cli\/src\/|^scripts\/|^test\/|^bench\/|\/testing\//,
    reason: 'only main.ts reads the environment',
  },
  {
    what: /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(/,
    files: /\/clock\.ts$|^packages\/cli\/src\/|^scripts\/|^test\/|^bench\/|\/testing\//,
    reason: 'clock and randomness are handed in',
  },
  { what: /\bconsole\.(log|error|warn)\(/, files: /^scripts\/|^test\/|^bench\//, reason: 'logs go through the logger, output through output.ts' },
];

/** Forbidden synonym → the word of ARCHITECTURE.md. `queues` is left out: BullMQ's words stay inside it. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bmorgue\b/i, 'dead letter'],
  [/\bbad row\b/i, 'reject'],
  [/\bshards?\b/i, 'chunk'],
  [/\bstuck\b/i, 'stalled'],
];

interface SourceFile {
  readonly path: string;
  readonly pkg: string | null;
  readonly text: string;
}

const breaches: string[] = [];

function readSources(): SourceFile[] {
  const paths = globSync('{packages/*/src,scripts,test,bench}/**/*.{ts,tsx,js}', { cwd: root }).map((path) => path.replaceAll('\\', '/'));
  return paths
    .filter((path) => !path.includes('/generated/') && !path.includes('node_modules'))
    .map((path) => ({ path, pkg: /^packages\/([^/]+)\//.exec(path)?.[1] ?? null, text: readFileSync(join(root, path), 'utf8') }));
}

const importsOf = (text: string): string[] => [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1] as string);
const isTest = (path: string): boolean => /\.test\.ts$|\/testing\//.test(path);

function checkPackageImports(file: SourceFile): void {
  if (file.pkg === null) return;
  const allowed = MAY_IMPORT[file.pkg];
  if (allowed === undefined) return void breaches.push(`${file.path}: package ${file.pkg} is not in the table of scripts/check-boundaries.ts`);
  for (const specifier of importsOf(file.text)) {
    const target = /^@millrace\/([a-z-]+)/.exec(specifier)?.[1];
    if (target === undefined || target === file.pkg || isTest(file.path)) continue;
    if (!allowed.includes(target)) breaches.push(`${file.path}: imports @millrace/${target}; ${file.pkg} may import ${allowed.join(', ') || 'nothing'}`);
  }
}

function checkOneFile(file: SourceFile): void {
  if (isTest(file.path) || file.path === 'scripts/check-boundaries.ts') return;
  const code = file.text.replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, '');
  for (const rule of ONE_FILE) if (rule.what.test(code) && !rule.files.test(file.path)) breaches.push(`${file.path}: ${rule.reason}`);
  if (file.pkg !== 'queues')
    for (const [word, ours] of WORDS) if (word.test(file.text)) breaches.push(`${file.path}: says ${word.source}, our word is "${ours}"`);
}

function checkCycles(files: readonly SourceFile[]): void {
  const edges = new Map<string, string[]>();
  for (const file of files) {
    const relatives = importsOf(file.text.replaceAll(/import type[^;]+;/g, '').replaceAll(/export type[^;]+;/g, '')).filter((specifier) =>
      specifier.startsWith('.'),
    );
    edges.set(
      file.path,
      relatives.map((specifier) => relative(root, normalize(join(root, dirname(file.path), specifier))).replaceAll('\\', '/')),
    );
  }
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) return void breaches.push(`import cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`);
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
}

/** Crate → crates of ours it may depend on. */
const CRATES: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  scan: [],
  store: [],
  features: [],
  texts: ['features'],
  formats: ['features', 'scan', 'texts'],
  engine: ['features', 'formats', 'scan'],
  sql: ['features', 'engine', 'formats'],
  core: ['features', 'wire', 'scan', 'formats', 'engine', 'sql', 'store'],
};

function checkCrates(): void {
  for (const [crate, allowed] of Object.entries(CRATES)) {
    const manifest = readFileSync(join(root, 'native/rust-core/crates', crate, 'Cargo.toml'), 'utf8').split('[dev-dependencies]')[0] ?? '';
    for (const match of manifest.matchAll(/^millrace-([a-z]+)/gm)) {
      const target = match[1] as string;
      if (!allowed.includes(target)) breaches.push(`crates/${crate}: depends on ${target}; may depend on ${allowed.join(', ') || 'none of ours'}`);
    }
    if (crate !== 'sql' && /^(datafusion|sqlparser)/m.test(manifest)) breaches.push(`crates/${crate}: only sql knows DataFusion`);
    if (crate !== 'wire' && crate !== 'features' && /^flatbuffers/m.test(manifest)) breaches.push(`crates/${crate}: only wire knows FlatBuffers`);
  }
}

const sources = readSources();
for (const file of sources) {
  checkPackageImports(file);
  checkOneFile(file);
}
checkCycles(sources);
checkCrates();
for (const breach of breaches) console.error(breach);
console.log(breaches.length === 0 ? `boundaries: ${sources.length} files hold the rules` : `boundaries: ${breaches.length} breaches`);
process.exit(breaches.length === 0 ? 0 : 1);
