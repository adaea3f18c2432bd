/** Other builds of the product than this checkout: an older commit of its TypeScript, and a core that greets as another build would. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../e2e/support/workbench.ts';

const git = (...args: readonly string[]): Buffer => execFileSync('git', args, { cwd: root, maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe'] });

/** The full name of a commit; null when this checkout has no history that holds it. */
export function commitNamed(name: string): string | null {
  try {
    return git('rev-parse', '--verify', '--quiet', `${name}^{commit}`).toString().trim();
  } catch {
    return null;
  }
}

/** Whether the wire has changed since: such a tree and this core refuse each other, as they should. */
export const hasOurWire = (commit: string): boolean => git('rev-parse', `${commit}:schemas/core.fbs`).equals(git('rev-parse', 'HEAD:schemas/core.fbs'));

/** The packages as they were, with the dependencies of this checkout, and their own packages among themselves. */
export function checkOut(commit: string, directory: string): string {
  mkdirSync(directory, { recursive: true });
  execFileSync('tar', ['-x', '-C', directory], { input: git('archive', commit, 'packages', 'package.json', 'tsconfig.base.json') });
  const [ours, theirs] = [join(root, 'node_modules'), join(directory, 'node_modules')];
  mkdirSync(join(theirs, '@millrace'), { recursive: true });
  for (const name of readdirSync(ours).filter((one) => one !== '@millrace' && !one.startsWith('.'))) symlinkSync(join(ours, name), join(theirs, name));
  // Relative: they lead to the packages of that tree.
  for (const name of readdirSync(join(ours, '@millrace'))) {
    symlinkSync(readlinkSync(join(ours, '@millrace', name)), join(theirs, '@millrace', name));
  }
  return directory;
}

export interface OtherHello {
  /** What the core says that its results are. */
  readonly resultVersion?: number;
  readonly coreVersion?: string;
  /** The protocol that the core speaks, as its host is told. */
  readonly coreProtocol?: number;
  /** The protocol that the host speaks, as its core is told. */
  readonly hostProtocol?: number;
}

/** A program that runs `core` and changes what the two say of themselves. It dies as its core dies. */
export function coreThatSays(core: string, path: string, changes: OtherHello): string {
  const script = join(import.meta.dirname, 'other-core.ts');
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${script}' '${core}' '${JSON.stringify(changes)}'\n`);
  chmodSync(path, 0o755);
  return path;
}
