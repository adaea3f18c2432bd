/**
 * Object stores of other people, as processes on this computer: moto (Python) and versitygw (Go). Installed from their registries into the user's
 * cache, once; where that is not possible the caller hears why.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const motoVersion = '5.2.5';
const versityVersion = 'v1.8.0';
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace/stores');
const installMs = 600_000;
const startMs = 60_000;

export const bucket = 'lake';

export interface StoreServer {
  readonly name: string;
  readonly url: string;
  /** For every process that talks to it. */
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export interface Missing {
  readonly reason: string;
}

const keys = { AWS_ACCESS_KEY_ID: 'millrace-test-key', AWS_SECRET_ACCESS_KEY: 'millrace-test-secret' };

/** moto's server: everything in memory. */
export async function startMoto(): Promise<StoreServer | Missing> {
  const place = join(cache, `moto-${motoVersion}`);
  const program = join(place, 'bin/moto_server');
  if (!existsSync(program)) {
    const failed = run('python3', ['-m', 'venv', place]) ?? run(join(place, 'bin/pip'), ['install', '--quiet', `moto[s3,server]==${motoVersion}`]);
    if (failed !== null) {
      rmSync(place, { recursive: true, force: true });
      return { reason: `moto cannot be installed: ${failed}` };
    }
  }
  const port = await freePort();
  return start(`moto ${motoVersion}`, spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' }), port);
}

/** versitygw over a directory. */
export async function startVersity(): Promise<StoreServer | Missing> {
  const program = join(cache, `versitygw-${versityVersion}`, 'versitygw');
  if (!existsSync(program)) {
    const failed = run('go', ['install', `github.com/versity/versitygw/cmd/versitygw@${versityVersion}`], { GOBIN: join(program, '..') });
    if (failed !== null) return { reason: `versitygw cannot be installed: ${failed}` };
  }
  const port = await freePort();
  const home = mkdtempSync(join(tmpdir(), 'mr-versity-'));
  mkdirSync(join(home, bucket));
  const access = ['--access', keys.AWS_ACCESS_KEY_ID, '--secret', keys.AWS_SECRET_ACCESS_KEY];
  const child = spawn(program, ['--port', `127.0.0.1:${port}`, ...access, 'posix', home], { stdio: 'ignore' });
  return start(`versitygw ${versityVersion}`, child, port, () => rmSync(home, { recursive: true, force: true }));
}

/** Why a command failed; null when it did not. */
function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string | null {
  mkdirSync(cache, { recursive: true });
  const end = spawnSync(command, args, { encoding: 'utf8', timeout: installMs, env: { ...process.env, ...env } });
  if (end.error !== undefined) return `${command}: ${end.error.message}`;
  return end.status === 0 ? null : `${command} ended with ${end.status}: ${end.stderr.trim().split('\n').at(-1) ?? ''}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function start(name: string, child: ChildProcess, port: number, clean: () => void = () => {}): Promise<StoreServer | Missing> {
  const url = `http://127.0.0.1:${port}`;
  const gone = new Promise<void>((resolve) => void child.once('close', () => resolve()));
  let isGone = false;
  void gone.then(() => {
    isGone = true;
  });
  child.once('error', () => {});
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
    clean();
  };
  const until = performance.now() + startMs;
  for (;;) {
    const answer = await fetch(`${url}/`).catch(() => null);
    if (answer !== null) break;
    if (isGone || performance.now() > until) {
      await stop();
      return { reason: `${name} did not start` };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const environment = { ...keys, AWS_ENDPOINT_URL: url, AWS_REGION: 'us-east-1' };
  return { name, url, environment, stop };
}
