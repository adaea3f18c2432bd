/** Finds and kills what a running job consists of. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Role, RoleProcess } from '../../../packages/cli/src/compose.ts';
import type { LocalStack } from '../../../packages/cli/src/local-stack.ts';
import { failures } from './journal-files.ts';
import { until } from './until.ts';

export function roleOf(local: LocalStack, role: Role): RoleProcess {
  const found = local.stack.roles.find((one) => one.role === role && one.child.exitCode === null && one.child.signalCode === null);
  if (found === undefined) throw new Error(`no ${role} runs`);
  return found;
}

export async function killRole(local: LocalStack, role: Role): Promise<void> {
  const one = roleOf(local, role);
  one.child.kill('SIGKILL');
  await one.ended;
}

interface Child {
  readonly pid: number;
  readonly ticks: number;
}

/** The cores of a host, that which has used most processor time first: it works, the others serve the journal or wait. */
export function coresOf(hostPid: number): Child[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => childOf(hostPid, Number(name)));
  return children.sort((a, b) => b.ticks - a.ticks);
}

function childOf(parent: number, pid: number): Child[] {
  try {
    const fields = readFileSync(join('/proc', String(pid), 'stat'), 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const isCore = Number(fields[1]) === parent && /millrace-core/.test(readlinkSync(join('/proc', String(pid), 'exe')));
    return isCore ? [{ pid, ticks: Number(fields[11]) + Number(fields[12]) }] : [];
  } catch {
    return [];
  }
}

/** Signals the busiest core of a host until one was hit in the middle of a chunk, which the journal then tells. */
export async function killBusyCore(local: LocalStack, signal: 'SIGKILL' | 'SIGSEGV', out: string, jobId: string): Promise<void> {
  const known = failures(out, jobId).length;
  const host = roleOf(local, 'worker-host').child.pid ?? 0;
  await until(
    `a core to be hit by ${signal}`,
    () => {
      if (failures(out, jobId).length > known) return true;
      const [core] = coresOf(host);
      if (core !== undefined) process.kill(core.pid, signal);
      return false;
    },
    { every: 150, within: 20_000 },
  );
}
