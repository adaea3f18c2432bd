/** A scheduler and hosts whose cores answer at once, each a process of its own, on one Redis and one journal. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { corePath } from '../../packages/core-client/src/index.ts';
import { root } from '../../scripts/setup.js';
import { taskKey } from './task-key.ts';

export class System {
  readonly directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  readonly #redis: string;
  readonly #hosts: ChildProcess[] = [];
  #scheduler: ChildProcess | null = null;

  constructor(redis: string) {
    this.#redis = redis;
    for (const name of ['journal', 'in', 'out', 'scratch']) mkdirSync(join(this.directory, name));
  }

  get journalUri(): string {
    return pathToFileURL(join(this.directory, 'journal')).href;
  }

  startScheduler(): void {
    this.#scheduler = spawn(process.execPath, [join(root, 'packages/scheduler/src/main.ts')], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        MILLRACE_REDIS: this.#redis,
        MILLRACE_JOURNAL: this.journalUri,
        MILLRACE_CORE: corePath(),
        MILLRACE_TASK_KEY: taskKey,
        MILLRACE_READ_ROOTS: join(this.directory, 'in'),
        MILLRACE_WRITE_ROOTS: join(this.directory, 'out'),
        MILLRACE_SCRATCH: join(this.directory, 'scratch'),
        MILLRACE_LOG_LEVEL: 'error',
        MILLRACE_PARENT_PID: String(process.pid),
      },
    });
  }

  /** Resident bytes of the scheduler's process, without its core. */
  schedulerRss(): number {
    const status = readFileSync(`/proc/${this.#scheduler?.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  }

  async startHosts(hosts: number, slots: number): Promise<void> {
    await Promise.all(Array.from({ length: hosts }, () => this.#startHost(slots)));
  }

  async #startHost(slots: number): Promise<void> {
    const child = fork(join(root, 'bench/control-plane/noop-host.ts'), [this.#redis, this.journalUri, String(slots)]);
    this.#hosts.push(child);
    await ready(child);
  }

  async stop(): Promise<void> {
    const children = [...this.#hosts, ...(this.#scheduler === null ? [] : [this.#scheduler])];
    await Promise.all(children.map(ended));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${code}`)));
  });
}

export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.removeAllListeners('exit');
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
