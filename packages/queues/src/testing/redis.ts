/** A real Redis for tests: private, on a unix socket in a temporary directory, gone with `stop`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TestRedis {
  /** For `openQueues` and `MILLRACE_REDIS`. */
  readonly url: string;
  readonly directory: string;
  readonly pid: number;
  /** Ends the server and removes its directory. */
  stop(): Promise<void>;
  /** Ends the server as a power cut of the process would, and starts it anew on the same socket with what it had saved. */
  restart(): Promise<void>;
}

/** `settings` are lines of redis.conf as command line arguments, such as `['--maxmemory-policy', 'allkeys-lru']`. */
export async function startTestRedis(settings: readonly string[] = []): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-redis-'));
  const socket = join(directory, 'redis.sock');
  let server = await startServer(directory, socket, settings);
  return {
    url: `unix://${socket}`,
    directory,
    get pid() {
      return server.pid ?? 0;
    },
    stop: async () => {
      await end(server);
      await rm(directory, { recursive: true, force: true });
    },
    restart: async () => {
      await end(server);
      server = await startServer(directory, socket, settings);
    },
  };
}

async function startServer(directory: string, socket: string, settings: readonly string[]): Promise<ChildProcess> {
  // A server that was killed leaves its socket behind.
  await rm(socket, { force: true });
  const own = ['--port', '0', '--unixsocket', socket, '--dir', directory, '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'];
  const server = spawn('redis-server', [...own, ...settings], { stdio: 'ignore' });
  const failures: Error[] = [];
  server.on('error', (error) => failures.push(error));
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 20) {
    if (failures[0]) throw failures[0];
    if (server.exitCode !== null) throw new Error(`cannot start redis-server: it ended with code ${server.exitCode}`);
    if (await isSocket(socket)) return server;
    await sleep(20);
  }
  server.kill('SIGKILL');
  throw new Error('cannot start redis-server: no socket in 10 s');
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await ended;
}

async function isSocket(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isSocket(),
    () => false,
  );
}
