/**
 * One installation as separate processes that can each be killed, stopped, cut off or armed with failpoints: Redis, schedulers, worker hosts. What a
 * job did is read from its journal, so that no answer of what is under attack is believed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { connect, type JobHandle, type Producer } from '@millrace/producer';
import { openMarkers } from '../../e2e/support/journal-files.ts';
import { until } from '../../e2e/support/until.ts';
import { generatedSpec, root, type Workbench, type WrittenSpec } from '../../e2e/support/workbench.ts';
import { ClientLog } from './client-log.ts';
import { manifestOf } from './journal-reader.ts';
import { type RedisOptions, RedisServer } from './redis-server.ts';

/** Leases of two seconds and what goes with them. */
export const chaosScale = 0.035;

export type RoleName = 'scheduler' | 'worker-host';

export interface RoleOptions {
  /** `MILLRACE_FAILPOINTS` of this process. */
  readonly failpoints?: string;
  /** Another way to Redis, such as through a proxy. */
  readonly redisUrl?: string;
  readonly slots?: number;
  readonly drainMs?: number;
  /** Another binary than the installation's. */
  readonly core?: string;
  /** Another checkout than this one, whose program is started. */
  readonly tree?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ClusterOptions {
  readonly bench: Workbench;
  /** Names directories below the bench. */
  readonly name: string;
  /** What was generated, for `submit`. */
  readonly data: string;
  readonly redis?: RedisOptions;
  readonly timeScale?: number;
  /** A folder of a bucket instead of a directory, and the variables that lead to it. */
  readonly remote?: { readonly out: string; readonly directory: string; readonly environment: Readonly<Record<string, string>> };
}

export interface LogLine {
  readonly msg?: string;
  readonly [field: string]: unknown;
}

export class Role {
  readonly name: string;
  readonly role: RoleName;
  readonly child: ChildProcess;
  readonly lines: LogLine[] = [];
  /** What it said that is no log line: a stack trace, above all. */
  readonly noise: string[] = [];
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  isGone = false;

  constructor(name: string, role: RoleName, child: ChildProcess, logFile: string) {
    this.name = name;
    this.role = role;
    this.child = child;
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      appendFileSync(logFile, text);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#read(line);
    });
    child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }));
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    void this.ended.then(() => {
      this.isGone = true;
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  #read(line: string): void {
    try {
      this.lines.push(JSON.parse(line) as LogLine);
    } catch {
      if (line.trim() !== '') this.noise.push(line);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** SIGKILL, also of one that is stopped, and waits for its end. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  has(message: string): boolean {
    return this.lines.some((line) => line.msg === message);
  }

  async says(message: string, within = 120_000): Promise<void> {
    await until(`${this.name} to say "${message}"`, () => this.has(message), { within, describe: () => this.tail() });
  }

  fired(gap: string): boolean {
    return this.lines.some((line) => line['failpoint'] === gap);
  }

  /** Resolves when the process died in that gap. */
  async diesIn(gap: string, within = 120_000): Promise<void> {
    await until(`${this.name} to die in ${gap}`, () => this.isGone, { within, describe: () => this.tail() });
    if (!this.fired(gap)) throw new Error(`${this.name} ended without ${gap}: ${this.tail()}`);
  }

  tail(): string {
    return [...this.lines.slice(-8).map((line) => JSON.stringify(line)), ...this.noise.slice(-8)].join('\n  ');
  }
}

export class Cluster {
  readonly options: ClusterOptions;
  readonly out: string;
  readonly logFile: string;
  readonly client: ClientLog;
  readonly redis: RedisServer;
  readonly roles: Role[] = [];
  /** What signs tasks; a secret. */
  readonly taskKey = `chaos:${randomBytes(32).toString('hex')}`;
  #producer: Producer | null = null;

  private constructor(options: ClusterOptions, redis: RedisServer) {
    const { bench, name, remote } = options;
    this.options = options;
    this.redis = redis;
    this.out = remote?.directory ?? bench.path(`${name}-out`);
    this.logFile = bench.path(`${name}.log`);
    writeFileSync(this.logFile, '');
    this.client = new ClientLog(bench.path(`${name}-client.ndjson`));
    mkdirSync(join(this.out, '_journal'), { recursive: true });
  }

  /** Another way to Redis than the straight one, for roles and producers that name none themselves. */
  redisUrl: string | null = null;

  /** Redis alone; roles are started by the caller, for their order is often the point. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const redis = await RedisServer.start(options.bench.path(`${options.name}-redis`), options.redis);
    return new Cluster(options, redis);
  }

  /** Where jobs write, as they name it. */
  get outUri(): string {
    return this.options.remote?.out ?? `${pathToFileURL(this.out).href}/`;
  }

  scheduler(options: RoleOptions = {}): Role {
    return this.#spawn('scheduler', options);
  }

  host(options: RoleOptions = {}): Role {
    return this.#spawn('worker-host', options);
  }

  /** Waits until a role serves. */
  async ready(...roles: readonly Role[]): Promise<void> {
    for (const role of roles) {
      const started = (): boolean => {
        if (role.isGone) throw new Error(`${role.name} ended before it served: ${role.tail()}`);
        return role.has('service started');
      };
      await until(`${role.name} to serve`, started, { describe: () => role.tail() });
    }
  }

  async producer(): Promise<Producer> {
    this.#producer ??= await connect({ redis: this.redisUrl ?? this.redis.url });
    return this.#producer;
  }

  /** `below`: a folder of the output place for this job alone. */
  spec(changes: WrittenSpec = {}, below = ''): WrittenSpec {
    return generatedSpec(this.options.data, this.out, '64KiB', { output: { uri: `${this.outUri}${below}`, compression: 'snappy' }, ...changes });
  }

  /** Submits until the answer is known or the patience is over; each try is in the client log. */
  async submit(key: string, spec: WrittenSpec = this.spec(), within = 120_000): Promise<JobHandle> {
    for (const deadline = performance.now() + within; ; ) {
      const answer = await this.client.submit(await this.producer(), key, spec, '3s');
      if (answer !== null) return answer;
      if (performance.now() > deadline) throw new Error(`submit of ${key} stayed unknown for ${within} ms`);
    }
  }

  /** Until a generation has its manifest and no marker is left: the quiet state of I1, as the journal tells it. */
  async untilEnded(jobId: string, generation = 1, within = 120_000): Promise<void> {
    const isEnded = (): boolean => {
      const marker = generation === 1 ? jobId : `${jobId}.${String(generation).padStart(6, '0')}`;
      return manifestOf(this.out, jobId, generation) !== null && !openMarkers(this.out).includes(marker);
    };
    await until(`the end of ${jobId}, generation ${generation}`, isEnded, { within, every: 20, describe: () => this.describe() });
  }

  /** The last words of everybody, for the message of a failed wait. */
  describe(): string {
    return this.roles.map((role) => `\n${role.name}${role.isGone ? ' (gone)' : ''}\n  ${role.tail()}`).join('');
  }

  get living(): readonly Role[] {
    return this.roles.filter(({ isGone }) => !isGone);
  }

  /** Every log line of every role, in the order read. */
  get lines(): readonly LogLine[] {
    return this.roles.flatMap(({ lines }) => lines);
  }

  async stop(): Promise<void> {
    await this.#producer?.close().catch(() => {});
    this.#producer = null;
    for (const name of ['worker-host', 'scheduler'] as const) {
      await Promise.all(this.living.filter(({ role }) => role === name).map((role) => stopRole(role)));
    }
    await this.redis.kill();
  }

  #spawn(role: RoleName, options: RoleOptions): Role {
    const { bench, name: cluster, data, timeScale = chaosScale, remote } = this.options;
    const name = `${role}-${this.roles.length}`;
    const scratch = bench.path(`${cluster}-scratch`, name);
    mkdirSync(scratch, { recursive: true });
    const settings: NodeJS.ProcessEnv = {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      TMPDIR: process.env['TMPDIR'],
      MILLRACE_REDIS: options.redisUrl ?? this.redisUrl ?? this.redis.url,
      MILLRACE_JOURNAL: remote === undefined ? pathToFileURL(join(this.out, '_journal')).href : `${remote.out}_journal`,
      MILLRACE_CORE: options.core ?? bench.core,
      MILLRACE_TASK_KEY: this.taskKey,
      MILLRACE_SLOTS: String(options.slots ?? 1),
      MILLRACE_TIME_SCALE: String(timeScale),
      MILLRACE_READ_ROOTS: data,
      MILLRACE_WRITE_ROOTS: this.out,
      MILLRACE_SCRATCH: scratch,
      MILLRACE_LOG_LEVEL: 'debug',
      MILLRACE_TELEMETRY_PORT: '0',
      MILLRACE_PARENT_PID: String(process.pid),
      MILLRACE_WORKER_ID: name,
      ...(options.drainMs === undefined ? {} : { MILLRACE_DRAIN_MS: String(options.drainMs) }),
      ...(options.failpoints === undefined ? {} : { MILLRACE_FAILPOINTS: options.failpoints }),
      ...remote?.environment,
      ...options.environment,
    };
    const entry = join(options.tree ?? root, 'packages', role, 'src/main.ts');
    const child = spawn(process.execPath, ['--conditions=millrace-test', entry], { env: settings, stdio: ['pipe', 'ignore', 'pipe'], detached: true });
    const started = new Role(name, role, child, this.logFile);
    this.roles.push(started);
    return started;
  }
}

async function stopRole(role: Role): Promise<void> {
  role.signal('SIGCONT');
  role.signal('SIGTERM');
  const timer = setTimeout(() => role.signal('SIGKILL'), 10_000);
  await role.ended;
  clearTimeout(timer);
}
