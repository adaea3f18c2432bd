/**
 * A private Redis for a laptop: a socket in a fresh directory, no persistence (the journal is the truth), gone with its owner. A small shell
 * stands between: it holds the read end of a pipe and, when that ends for whatever reason, also by `kill -9` of the owner, it ends Redis and
 * removes the directory. Redis itself cannot watch a parent.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';

export interface LocalRedis {
  /** What `MILLRACE_REDIS` takes. */
  readonly url: string;
  /** A directory of the same life, for sockets and scratch. */
  readonly directory: string;
  stop(): Promise<void>;
}

const START_DEADLINE_MS = 10_000;
const KEEPER = `
redis-server --port 0 --unixsocket "$1/redis.sock" --unixsocketperm 700 --save '' --appendonly no \\
  --maxmemory-policy noeviction --daemonize no --dir "$1" --loglevel warning >"$1/redis.log" 2>&1 &
redis=$!
trap '' INT TERM HUP
cat >/dev/null
kill "$redis" 2>/dev/null
wait "$redis" 2>/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" 2>/dev/null && [ ! -e "$1" ] && exit 0; sleep 0.2; done
`;

/** Starts Redis and waits until it answers. Throws with the install line when there is none. */
export async function startLocalRedis(): Promise<LocalRedis> {
  if (spawnSync('sh', ['-c', 'command -v redis-server'], { stdio: 'ignore' }).status !== 0) throw noRedis();
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  chmodSync(directory, 0o700);
  // A process group of its own: Ctrl-C must reach the owner first, which still needs Redis to end in order.
  const keeper = spawn('sh', ['-c', KEEPER, 'millrace-redis', directory], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const socket = join(directory, 'redis.sock');
  const stop = (): Promise<void> => stopKeeper(keeper);
  if (!(await answers(socket, keeper))) {
    await stop();
    throw new CommandError(exitCodes.unavailable, 'redis-server did not start within 10 s', 'Run `redis-server --version`: Redis 7 or later is needed.');
  }
  return { url: `unix://${socket}`, directory, stop };
}

function noRedis(): CommandError {
  const line = process.platform === 'darwin' ? 'brew install redis' : 'apt-get install redis-server';
  return new CommandError(exitCodes.notInstalled, 'redis-server is not on PATH', `Install it with \`${line}\`, or name a running one with --redis URL.`);
}

async function answers(socket: string, keeper: ChildProcess): Promise<boolean> {
  const deadline = performance.now() + START_DEADLINE_MS;
  while (performance.now() < deadline && keeper.exitCode === null) {
    if (existsSync(socket) && (await ping(socket))) return true;
    await delay(20);
  }
  return false;
}

function ping(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect({ path }, () => connection.write('PING\r\n'));
    connection.once('data', (reply) => {
      connection.destroy();
      resolve(reply.toString().startsWith('+PONG'));
    });
    connection.once('error', () => resolve(false));
  });
}

function stopKeeper(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    keeper.once('close', () => resolve());
    keeper.stdin?.end();
  });
}
