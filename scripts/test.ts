/**
 * `npm test`: every test of both languages, then one line `N passed, N failed` for the whole. `--only rust|unit|e2e|browser|chaos` runs one part.
 * The core is built once, in the profile of the product; a second binary with test hooks (records that abort or hang it) is linked beside it.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { cargo, ensureChromium, installBinary, orExit, root, targetDir } from './setup.js';

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : null;

/** Runs a command with its output shown, and hands each line to `read`. */
function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv, read: (line: string) => void): Promise<number> {
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text);
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) read(line);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
}

/** A runner that failed without a failed test (it did not compile, it crashed) counts as one failure. */
const withExit = (counts: Counts, code: number): Counts => (code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts);

async function rustTests(): Promise<Counts> {
  const counts = { passed: 0, failed: 0 };
  const args = ['test', '--release', '--locked', '--workspace', '--manifest-path', join(root, 'native/rust-core/Cargo.toml')];
  const code = await run('cargo', args, { ...process.env, CARGO_TARGET_DIR: targetDir() }, (line) => {
    const result = /^test result: \w+\. (\d+) passed; (\d+) failed/.exec(line);
    if (result === null) return;
    counts.passed += Number(result[1]);
    counts.failed += Number(result[2]);
  });
  return withExit(counts, code);
}

async function nodeTests(pattern: string): Promise<Counts> {
  const files = globSync(pattern, { cwd: root }).filter((path) => !path.includes('node_modules'));
  const counts = { passed: 0, failed: 0 };
  const code = await run(process.execPath, ['--test', '--test-reporter=spec', '--test-concurrency=2', ...files], process.env, (line) => {
    const result = /^ℹ (pass|fail|cancelled) (\d+)/.exec(line);
    if (result === null) return;
    if (result[1] === 'pass') counts.passed += Number(result[2]);
    else counts.failed += Number(result[2]);
  });
  return withExit(counts, code);
}

async function buildForTests(): Promise<void> {
  await cargo(['test', '--release', '--locked', '--workspace', '--no-run'], 'tests of the core');
  await cargo(['build', '--release', '--locked', '-p', 'millrace-core', '--features', 'test-hooks', '--bin', 'millrace-core-hooks'], 'core with test hooks');
  installBinary('millrace-core-hooks');
}

const parts: Readonly<Record<string, () => Promise<Counts>>> = {
  rust: rustTests,
  unit: () => nodeTests('{packages/*/src,scripts}/**/*.test.ts'),
  e2e: () => nodeTests('test/e2e/**/*.test.ts'),
  browser: async () => {
    await orExit(async () => ensureChromium());
    return nodeTests('test/browser/**/*.test.ts');
  },
  chaos: () => nodeTests('test/{assumptions,chaos,model}/**/*.test.ts'),
};

await orExit(buildForTests);
let passed = 0;
let failed = 0;
for (const [name, part] of Object.entries(parts)) {
  if (only !== null && only !== name) continue;
  console.log(`\n== ${name}`);
  const counts = await part();
  passed += counts.passed;
  failed += counts.failed;
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
