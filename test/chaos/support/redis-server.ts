/** A Redis of its own on a port, that can be killed, frozen, emptied, filled and set back in time. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface RedisOptions {
  /** Appends every write to a file, synced each second. Defaults to false: a kill loses everything. */
  readonly appendOnly?: boolean;
  /** Further settings as command line arguments. */
  readonly settings?: readonly string[];
  /** Asked of everybody; none when not given. */
  readonly password?: string;
}

const startMs = 10_000;
const execute = promisify(execFile);

export class RedisServer {
  readonly directory: string;
  readonly port: number;
  readonly #options: RedisOptions;
  #child: ChildProcess | null = null;

  private constructor(directory: string, port: number, options: RedisOptions) {
    this.directory = directory;
    this.port = port;
    this.#options = options;
  }

  static async start(directory: string, options: RedisOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(directory, await freePort(), options);
    await server.start();
    return server;
  }

  get url(): string {
    const { password } = this.#options;
    return `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    mkdirSync(this.directory, { recursive: true });
    const persistence = this.#options.appendOnly === true ? ['--appendonly', 'yes', '--appendfsync', 'everysec'] : ['--appendonly', 'no'];
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory, '--save', '', '--maxmemory-policy', 'noeviction'];
    const { password } = this.#options;
    const secret = password === undefined ? [] : ['--requirepass', password];
    const child = spawn('redis-server', [...own, ...persistence, ...secret, ...(this.#options.settings ?? [])], { stdio: 'ignore' });
    this.#child = child;
    for (const until = performance.now() + startMs; ; await delay(20)) {
      if ((await this.#tryPing()) === 'PONG') return;
      if (child.exitCode !== null || performance.now() > until)
        throw new Error(`redis-server in ${this.directory} did not start (exit code ${child.exitCode})`);
    }
  }

  /** As a crash of the process: what the operating system has of the append-only file stays. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    child.kill('SIGCONT');
    await ended;
  }

  /** Killed and started on what it had saved. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Killed, its data directory deleted, started empty. */
  async loseEverything(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
    await this.start();
  }

  /** Copies what is saved now, for `goBackTo`. */
  async snapshot(to: string): Promise<void> {
    await delay(1_100);
    rmSync(to, { recursive: true, force: true });
    cpSync(this.directory, to, { recursive: true });
  }

  /** Killed and started on an older copy of its data. */
  async goBackTo(from: string): Promise<void> {
    if (!existsSync(from)) throw new Error(`no snapshot in ${from}`);
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
    cpSync(from, this.directory, { recursive: true });
    await this.start();
  }

  async freeze(ms: number): Promise<void> {
    const { pid } = this;
    process.kill(pid, 'SIGSTOP');
    await delay(ms);
    process.kill(pid, 'SIGCONT');
  }

  /** One command past every proxy; what `redis-cli` prints of the answer. Throws when Redis is away or refuses. */
  async command(...args: readonly string[]): Promise<string> {
    const { password } = this.#options;
    const env = password === undefined ? process.env : { ...process.env, REDISCLI_AUTH: password };
    const { stdout } = await execute('redis-cli', ['-e', '-h', '127.0.0.1', '-p', String(this.port), ...args], { timeout: 5_000, encoding: 'utf8', env });
    return stdout.trim();
  }

  async #tryPing(): Promise<string | null> {
    return this.command('PING').catch(() => null);
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export const appendOnlyFile = (directory: string): string => join(directory, 'appendonlydir');
