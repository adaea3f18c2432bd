/**
 * Where the stack of a running `millrace run` listens, left in the journal of its directory for other commands on the same computer. It is a hint: the
 * process may have been killed, so who reads it looks whether it lives, and connects before believing it.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journalDirectory } from './directory.ts';

export interface RunningStack {
  readonly pid: number;
  readonly redisUrl: string;
}

const fileOf = (directory: string): string => join(journalDirectory(directory), 'run.json');

/** For the owner of the directory alone: whoever reaches this Redis may steer the job. */
export function announceStack(directory: string, redisUrl: string): void {
  writeFileSync(fileOf(directory), `${JSON.stringify({ pid: process.pid, redisUrl })}\n`, { mode: 0o600 });
}

export function withdrawStack(directory: string): void {
  if (readStack(directory)?.pid === process.pid) rmSync(fileOf(directory), { force: true });
}

/** Null: nothing runs in this directory. */
export function findStack(directory: string): RunningStack | null {
  const stack = readStack(directory);
  return stack !== null && isAlive(stack.pid) ? stack : null;
}

function readStack(directory: string): RunningStack | null {
  try {
    const { pid, redisUrl } = JSON.parse(readFileSync(fileOf(directory), 'utf8')) as Partial<RunningStack>;
    return Number.isInteger(pid) && typeof redisUrl === 'string' ? { pid: pid as number, redisUrl } : null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
