/** Roles with a port for their health and metrics, as a cluster runs them: one Redis, one journal, each process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startTestRedis, type TestRedis } from '@millrace/queues/testing';
import { until } from './until.ts';
import type { Workbench } from './workbench.ts';

export interface Report {
  readonly http: number;
  readonly status: string;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly since: string; readonly detail: string }[];
}

export type Probe = '/startupz' | '/readyz' | '/healthz';

/** Settings that a test adds. */
type Settings = Readonly<Record<string, string>>;

export class ProbedRole {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly #port: number;
  #log = '';

  constructor(entry: string, port: number, env: NodeJS.ProcessEnv) {
    this.#port = port;
    this.child = spawn(process.execPath, [entry], { env, stdio: ['pipe', 'ignore', 'pipe'], detached: true });
    this.child.stdin?.on('error', () => {});
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve({ code, signal })));
  }

  get log(): string {
    return this.#log;
  }

  /** Null: nobody listens. */
  async probe(path: Probe): Promise<Report | null> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}${path}`).catch(() => null);
    return answer === null ? null : { http: answer.status, ...((await answer.json()) as Omit<Report, 'http'>) };
  }

  async scrape(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#port}/metrics`)).text();
  }

  /** The sum over series of a metric whose labels hold these texts. */
  async sum(metric: string, ...labels: readonly string[]): Promise<number> {
    const lines = (await this.scrape()).split('\n').filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
    return lines.filter((line) => labels.every((label) => line.includes(label))).reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** Waits for an answer of this kind; its message shows the last one. */
  async until(path: Probe, http: number, holds: (report: Report) => boolean = () => true, within = 120_000): Promise<Report> {
    let last: Report | null = null;
    const isIt = async (): Promise<boolean> => {
      last = await this.probe(path);
      return last?.http === http && holds(last);
    };
    await until(`${path} to answer ${http}`, isIt, { within, every: 50, describe: () => `${JSON.stringify(last)}\n${this.#log.slice(-2_000)}` });
    return last as unknown as Report;
  }
}

export const failing = (report: Report): string[] => report.checks.filter(({ ok }) => !ok).map(({ name }) => name);

export class ProbedRoles {
  readonly #bench: Workbench;
  readonly redis: TestRedis;
  readonly out: string;
  readonly journal: string;
  readonly #timeScale: number;
  readonly #roles: ProbedRole[] = [];

  private constructor(bench: Workbench, redis: TestRedis, timeScale: number) {
    this.#bench = bench;
    this.redis = redis;
    this.out = bench.path('out');
    this.journal = join(this.out, '_journal');
    this.#timeScale = timeScale;
    mkdirSync(this.journal, { recursive: true });
  }

  static async set(bench: Workbench, timeScale: number): Promise<ProbedRoles> {
    return new ProbedRoles(bench, await startTestRedis(), timeScale);
  }

  async start(role: 'scheduler' | 'worker-host' | 'api', settings: Settings = {}): Promise<ProbedRole> {
    const port = await freePort();
    const name = `${role}-${this.#roles.length}`;
    const scratch = this.#bench.path(`scratch-${name}`);
    mkdirSync(scratch, { recursive: true });
    const env = {
      PATH: process.env['PATH'],
      MILLRACE_REDIS: this.redis.url,
      MILLRACE_JOURNAL: pathToFileURL(this.journal).href,
      MILLRACE_CORE: this.#bench.core,
      ...(role === 'api' ? { MILLRACE_HTTP_PORT: '0' } : { MILLRACE_TASK_KEY: `local:${'7'.repeat(64)}`, MILLRACE_WORKER_ID: name }),
      MILLRACE_TIME_SCALE: String(this.#timeScale),
      MILLRACE_READ_ROOTS: this.#bench.home,
      MILLRACE_WRITE_ROOTS: this.out,
      MILLRACE_SCRATCH: scratch,
      MILLRACE_PARENT_PID: String(process.pid),
      MILLRACE_TELEMETRY_PORT: String(port),
      MILLRACE_TELEMETRY_HOST: '127.0.0.1',
      ...settings,
    };
    const started = new ProbedRole(fileURLToPath(import.meta.resolve(`@millrace/${role}/main`)), port, env);
    this.#roles.push(started);
    return started;
  }

  async stop(): Promise<void> {
    for (const { child, ended } of this.#roles) {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(timer);
    }
    await this.redis.stop();
  }
}

/** One that nobody had a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
