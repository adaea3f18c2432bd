/** How much memory the cores of a running command took at most: the high-water mark that Linux keeps of each process (`VmHWM`). */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type CliEnd, startCli } from './cli.ts';

export interface Peak {
  readonly end: CliEnd;
  /** Largest resident size of any core, in bytes. */
  readonly coreBytes: number;
}

const everyMs = 10;

/** Runs `millrace` and looks at its cores until it ends. What a core takes within its last `everyMs` is not seen. */
export async function runAndMeasure(args: readonly string[]): Promise<Peak> {
  const running = startCli(args);
  let coreBytes = 0;
  let ended = false;
  running.ended.then(() => {
    ended = true;
  });
  while (!ended) {
    for (const pid of coresBelow(running.child.pid ?? 0)) coreBytes = Math.max(coreBytes, highWater(pid));
    await delay(everyMs);
  }
  return { end: await running.ended, coreBytes };
}

/** Processes named like the core among all descendants of `ancestor`. */
function coresBelow(ancestor: number): number[] {
  const parents = new Map<number, number>();
  const cores: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(name);
    if (stat === null) continue;
    parents.set(Number(name), stat.parent);
    if (stat.command.startsWith('millrace-core')) cores.push(Number(name));
  }
  return cores.filter((pid) => descends(pid, ancestor, parents));
}

function descends(pid: number, ancestor: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) if (at === ancestor) return true;
  return false;
}

function readStat(pid: string): { command: string; parent: number } | null {
  try {
    const found = /^\d+ \((.*)\) \S+ (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return found === null ? null : { command: found[1] ?? '', parent: Number(found[2]) };
  } catch {
    return null;
  }
}

function highWater(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
