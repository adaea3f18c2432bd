/** A process for the tests of `runService`: one service that says what happens to it on stdout. */
import { spawn } from 'node:child_process';

import { service } from '../lifecycle.ts';
import { silentLog } from '../logger.ts';
import { runService } from '../run-service.ts';

const mode = process.argv[2] ?? 'plain';
const say = (word: string): void => void process.stdout.write(`${word}\n`);
// Keeps the process alive, as a server's socket would.
const alive = setInterval(() => {}, 1_000);

async function start(): Promise<void> {
  if (mode === 'fails') throw new Error('cannot start: asked to fail');
  if (mode === 'parent') {
    const child = spawn(process.execPath, [process.argv[1] ?? '', 'child', String(process.pid)], { stdio: 'ignore' });
    setInterval(() => say(`again pid ${child.pid}`), 50);
  }
  say('started');
}

async function stop(): Promise<void> {
  if (mode === 'hangs') await new Promise(() => {});
  say('stopped');
}

const parentPid = mode === 'child' ? Number(process.argv[3]) : null;
const options = { log: silentLog, stopWithinMs: 500, parentPid, watchStdin: mode === 'stdin' };
const failure = mode === 'breaks' ? { failure: Promise.reject(new Error('cannot go on: asked to break')) } : {};
process.exitCode = await runService([service(mode, start, stop)], { ...options, ...failure });
clearInterval(alive);
process.exit();
