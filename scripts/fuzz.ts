/**
 * Mutated inputs for every reader, the boundary scan, frame decoders and the probe, led by the code they run: `npm run fuzz -- --minutes N [--seed S]
 * [--only target]`. Findings and the pools of inputs, with which the next run begins, stand in `.cache/fuzz`, the tally in `bench/results`. The
 * process may hold 3 GB: an input that wants more ends it and stands in `current.bin`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { keep } from '../bench/keep.ts';
import { root } from './setup.js';

const LIMIT_KIB = 3 << 20;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: '1' }, only: { type: 'string' } } });
const crates = join(root, 'native/rust-core');
const target = process.env['CARGO_TARGET_DIR'] ?? join(crates, 'target');
const findings = join(root, '.cache', 'fuzz');

const built = spawnSync('cargo', ['build', '--release', '-p', 'millrace-formats', '--example', 'fuzz'], {
  cwd: crates,
  stdio: 'inherit',
  env: { ...process.env, RUSTC_WORKSPACE_WRAPPER: join(root, 'scripts', 'fuzz-rustc.sh') },
});
if (built.status !== 0) throw new Error('cargo could not build the example');
const only = values.only === undefined ? [] : ['--only', values.only];
const args = ['--seconds', String(Number(values.minutes) * 60), '--seed', values.seed, '--out', findings, ...only];
const run = spawnSync('sh', ['-c', `ulimit -v ${LIMIT_KIB}; exec nice -n 19 "$0" "$@"`, join(target, 'release/examples/fuzz'), ...args], {
  stdio: ['ignore', 'pipe', 'inherit'],
  encoding: 'utf8',
  // As cargo would say it: the seeds lie beside the crate.
  env: { ...process.env, CARGO_MANIFEST_DIR: join(crates, 'crates/formats') },
});
if (run.status !== 0) throw new Error(`the process ended with ${run.signal ?? run.status}; its last input is ${join(findings, 'current.bin')}`);
const result = JSON.parse(run.stdout) as { targets: Record<string, { cases: number; counters: number; findings: Record<string, number> }> };
for (const [name, { cases, counters, findings: found }] of Object.entries(result.targets)) {
  console.log(`${name.padEnd(10)} ${String(cases).padStart(10)} cases ${String(counters).padStart(7)} counters`, Object.keys(found).length === 0 ? '' : found);
}
keep('fuzz', result);
process.exitCode = Object.values(result.targets).some(({ findings: found }) => Object.keys(found).length > 0) ? 1 : 0;
