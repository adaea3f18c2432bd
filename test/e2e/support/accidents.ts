/** Finds and kills what a running job consists of. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
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

/** The cores of a host: its children that run our binary. */
function coresOf(hostPid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isCoreOf(hostPid, pid));
}

function isCoreOf(parent: number, pid: number): boolean {
  try {
    const [, parentPid] = readFileSync(join('/proc', String(pid), 'stat'), 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(parentPid) === parent && /millrace-core/.test(readlinkSync(join('/proc', String(pid), 'exe')));
  } catch {
    return false;
  }
}

/** In the middle of a chunk: a part is open that has not got its name yet. */
export function isWriting(pid: number, out: string): boolean {
  return chunkWrittenBy(pid, out) !== null;
}

/** Number of the chunk of which a core has a part open, `.tmp-part-<stage>-<chunk>-…`; null when it has none. */
export function chunkWrittenBy(pid: number, out: string): number | null {
  const descriptors = join('/proc', String(pid), 'fd');
  const before = join(out, '.tmp-');
  try {
    const part = readdirSync(descriptors)
      .map((name) => readlinkSync(join(descriptors, name)))
      .find((path) => path.startsWith(before));
    return part === undefined ? null : Number(/-[a-z][a-z0-9]*-(\d{6,})[-.]/.exec(part.slice(before.length))?.[1] ?? Number.NaN);
  } catch {
    return null;
  }
}

/** Signals a core in the middle of a chunk; resolves when the journal tells of it. */
export async function killBusyCore(local: LocalStack, signal: 'SIGKILL' | 'SIGSEGV', out: string, jobId: string): Promise<void> {
  const known = failures(out, jobId).length;
  const host = roleOf(local, 'worker-host').child.pid ?? 0;
  // To find them takes longer than a chunk may.
  let cores = coresOf(host);
  const look = (): boolean => {
    const writing = cores.find((pid) => isWriting(pid, out));
    if (writing !== undefined) process.kill(writing, signal);
    if (!cores.every((pid) => existsSync(`/proc/${pid}`))) cores = coresOf(host);
    return failures(out, jobId).length > known;
  };
  await until(`a core to be hit by ${signal}`, look, { every: 1 });
}

/** Stops a core of any host in the middle of a chunk: that attempt stays in hand until its host ends, which ends the core. */
export async function holdBusyCore(local: LocalStack, out: string): Promise<void> {
  const hosts = local.stack.roles.filter(({ role }) => role === 'worker-host').map(({ child }) => child.pid ?? 0);
  const cores = hosts.flatMap(coresOf);
  const look = (): boolean => cores.some((pid) => isWriting(pid, out) && isHeld(pid, out));
  await until('a core to be held in the middle of a chunk', look, { every: 1 });
}

/** The signal takes effect a moment later, when the core may stand behind its commit: then it goes on. */
function isHeld(pid: number, out: string): boolean {
  process.kill(pid, 'SIGSTOP');
  for (let looks = 0; looks < 10_000; looks += 1) if (/^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) break;
  if (isWriting(pid, out)) return true;
  process.kill(pid, 'SIGCONT');
  return false;
}

/** Redis forgets everything, as after a loss without persistence. */
export async function flushRedis(local: LocalStack): Promise<void> {
  const connection = connect({ path: local.redisUrl.slice('unix://'.length) });
  connection.write('FLUSHALL\r\n');
  const [answer] = (await once(connection, 'data')) as [Buffer];
  connection.destroy();
  if (!answer.toString().startsWith('+OK')) throw new Error(`Redis said ${answer.toString()}`);
}

/** A process stands still and then goes on as if nothing had been. */
export async function freeze(pid: number, ms: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await delay(ms);
  process.kill(pid, 'SIGCONT');
}
