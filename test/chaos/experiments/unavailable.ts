/** Tier 3 that no computer of this project has had so far. Each looks, says what it lacks, and is skipped: skipped is not passed. */
import { existsSync } from 'node:fs';
import type { Experiment } from './experiment.ts';
import { run } from './kernel.ts';

const needs = (fault: string, what: string, lacks: () => Promise<string | null>): Experiment => ({
  fault,
  what,
  run: async () => ({ skipped: (await lacks()) ?? 'its tools are there, and its test is not written' }),
});

const program = (name: string, why: string) => async (): Promise<string | null> =>
  run('sh', '-c', `command -v ${name}`).then(
    () => null,
    () => `there is no ${name}: ${why}`,
  );

export const unavailable: readonly Experiment[] = [
  needs('F80', 'power loss under journal, outputs and AOF', program('lazyfs', 'unsynced data cannot be dropped')),
  needs('F81', 'I/O errors, torn and lost writes', program('lazyfs', 'writes cannot be torn')),
  needs('F87', 'undefined behaviour: Miri and AddressSanitizer', async () =>
    run('cargo', '+nightly', '--version').then(
      () => null,
      () => 'there is no nightly toolchain',
    ),
  ),
  needs('F88', 'real stores and emulators', async () => 'tests of stores have a command of their own: npm run test:stores'),
  needs('F89', 'pods killed, nodes drained, rollouts', program('kubectl', 'there is no cluster')),
  needs('F90', 'kernels without Landlock, with an old one, with seccomp', async () =>
    existsSync('/sys/kernel/security') ? 'this is one kernel, and containers are not at hand' : 'there is no security file system',
  ),
  needs('F91', 'a suspended machine', async () => (existsSync('/sys/power/state') ? 'this machine may not be suspended' : 'this machine cannot be suspended')),
];
