/** What this kernel and these tools can do. Each answers null, or why not. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export async function run(program: string, ...args: readonly string[]): Promise<string> {
  return (await execute(program, args, { timeout: 60_000, encoding: 'utf8' })).stdout.trim();
}

async function whyNot(what: string, program: string, ...args: readonly string[]): Promise<string | null> {
  try {
    await run(program, ...args);
    return null;
  } catch (error) {
    const { stderr = '', code } = error as { stderr?: string; code?: unknown };
    return `${what}: ${code === 'ENOENT' ? `there is no ${program}` : stderr.trim().split('\n')[0] || String(error)}`;
  }
}

export const cannotFaketime = (): string | null => (faketimeLibrary === undefined ? 'there is no libfaketime (Debian package faketime)' : null);

/** Debian names the folder after the machine. */
export const faketimeLibrary = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));

export const cannotSentinel = (): Promise<string | null> => whyNot('no sentinels', 'redis-sentinel', '--version');

/** A network of its own, in which packets can be dropped. */
export const cannotLose = (): Promise<string | null> =>
  whyNot(
    'no network of its own',
    'unshare',
    '-n',
    'sh',
    '-c',
    'ip link set lo up && iptables -A INPUT -p tcp -m statistic --mode random --probability 0.3 -j DROP',
  );

export const cannotMount = (): Promise<string | null> =>
  whyNot('no file system of its own', 'unshare', '-m', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', '/mnt');

/** Version 1 has a tree for each controller; version 2 has one for all. */
export function controlGroups(controller: 'memory' | 'freezer'): string | null {
  const place = `/sys/fs/cgroup/${controller}`;
  return existsSync(`${place}/cgroup.procs`) ? place : null;
}
