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
  readonly #profile: readonly string[];
  #scheduler: ChildProcess | null = null;

  /** `profiles`: a directory in which each process leaves a profile of its processor time (`*.cpuprofile`) when it ends. */
  constructor(redis: string, profiles: string | null = null) {
    this.#redis = redis;
    this.#profile = profiles === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
    for (const name of ['journal', 'in', 'out', 'scratch']) mkdirSync(join(this.directory, name));
  }

  get journalUri(): string {
    return pathToFileURL(join(this.directory, 'journal')).href;
  }

  startScheduler(): void {
    this.#scheduler = spawn(process.execPath, [...this.#profile, join(root, 'packages/scheduler/src/main.ts')], {
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
        MILLRACE_TELEMETRY_PORT: '0',
        MILLRACE_PARENT_PID: String(process.pid),
      },
    });
  }

  /** Process ids by role, cores with those they serve. */
  get pids(): Record<string, number[]> {
    const withChildren = (child: ChildProcess | null): number[] => (child?.pid === undefined ? [] : [child.pid, ...childrenOf(child.pid)]);
    return { scheduler: withChildren(this.#scheduler), hosts: this.#hosts.flatMap(withChildren) };
  }

  /** Resident bytes of the scheduler's process, without its core. */
  schedulerRss(): number {
    const status = readFileSync(`/proc/${this.#scheduler?.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  }

  /** Processor time of the same process. */
  schedulerCpuSeconds(): number {
    return cpuSeconds(this.#scheduler?.pid ?? 0);
  }

  async startHosts(hosts: number, slots: number): Promise<void> {
    await Promise.all(Array.from({ length: hosts }, () => this.#startHost(slots)));
  }

  async #startHost(slots: number): Promise<void> {
    const child = fork(join(root, 'bench/control-plane/noop-host.ts'), [this.#redis, this.journalUri, String(slots)], { execArgv: [...this.#profile] });
    this.#hosts.push(child);
    await ready(child);
  }

  async stop(): Promise<void> {
    const children = [...this.#hosts, ...(this.#scheduler === null ? [] : [this.#scheduler])];
    // A process that is killed writes no profile.
    await Promise.all(children.map((child) => ended(child, this.#profile.length > 0 ? 'SIGTERM' : 'SIGKILL')));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${code}`)));
  });
}

export function ended(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.removeAllListeners('exit');
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}

/** Of user and system, of all its threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** `sysconf(_SC_CLK_TCK)` of every Linux that Node runs on. */
const ticksPerSecond = 100;

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}
