/**
 * `npm run check`: format, lint, types, import rules, generated files, for both languages. `--fix` mends what tools can mend; `--all` also lints the
 * crates that link DataFusion, whose check build takes minutes the first time.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, targetDir } from './setup.js';

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd?: string;
}

const fix = process.argv.includes('--fix');
const all = process.argv.includes('--all');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
const rust = join(root, 'native/rust-core');
const crates = ['wire', 'scan', 'store', 'formats', 'engine', ...(all ? ['sql', 'core'] : [])];
const clippy = ['cargo', 'clippy', '--release', '--locked', '--all-targets', ...crates.flatMap((crate) => ['-p', `millrace-${crate}`]), '--', '-D', 'warnings'];

const checks: readonly Check[] = [
  { name: 'format and lint', command: [bin('biome'), 'check', ...(fix ? ['--write'] : []), '--error-on-warnings', '.'] },
  { name: 'types', command: [bin('tsc'), '-b', '.'] },
  { name: 'import rules', command: [process.execPath, 'scripts/check-boundaries.ts'] },
  { name: 'generated files', command: [process.execPath, 'scripts/generate.ts', ...(fix ? [] : ['--check'])] },
  {
    name: 'manifests',
    command: [process.execPath, '--test', '--test-concurrency=1', '--test-reporter=dot', 'test/manifests/manifests.test.ts', 'test/manifests/pages.test.ts'],
  },
  { name: 'rustfmt', command: ['cargo', 'fmt', '--all', ...(fix ? [] : ['--check'])], cwd: rust },
  { name: 'clippy', command: clippy, cwd: rust },
];

let failed = 0;
for (const { name, command, cwd } of checks) {
  const [program = '', ...args] = command;
  const done = spawnSync(program, args, { cwd: cwd ?? root, stdio: 'inherit', env: { ...process.env, CARGO_TARGET_DIR: targetDir() } });
  if (done.status !== 0) failed += 1;
  console.log(`${done.status === 0 ? 'ok    ' : 'FAILED'} ${name}`);
}
process.exit(failed === 0 ? 0 : 1);
