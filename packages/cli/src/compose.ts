/**
 * Starts the roles of Millrace as children of this process, all in one tree: scheduler and worker hosts beside a private Redis. The only file
 * that names the services. Children end with their parent: they watch its process id and the end of their stdin.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Role = 'scheduler' | 'worker-host' | 'api';

export interface StackOptions {
  readonly redisUrl: string;
  /** Where the journal lies. */
  readonly journalUri: string;
  /** Settings and credentials of remote stores, as variables. */
  readonly connections: Readonly<Record<string, string>>;
  /** A directory that goes with the stack: scratch space of the cores. */
  readonly scratchDirectory: string;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
  readonly coreBinary: string;
  /** The HTTP API on this computer; absent: none is started. */
  readonly api?: LocalApi;
  /** One worker host is started for each entry, with that many slots. */
  readonly hostSlots: readonly number[];
  /** Multiplies leases and every time that goes with them. */
  readonly timeScale: number;
  /** Where the children's log lines go; null drops them but for the last ones. */
  readonly logFile: string | null;
}

export interface LocalApi {
  readonly port: number;
  /** An admin's, that lives with the process. */
  readonly token: string;
  /** Of one caller; as a server has it when not given. */
  readonly requestsPerMinute?: number;
}

export interface RoleProcess {
  readonly role: Role;
  readonly name: string;
  readonly child: ChildProcess;
  /** The last lines it logged, for the message when it dies early. */
  readonly tail: readonly string[];
  /** Ends it on purpose, so that nobody takes its end for a failure. */
  kill(signal: NodeJS.Signals): void;
  /** True once somebody killed it on purpose. */
  readonly isKilled: boolean;
  /** Resolves when the process is gone. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface Stack {
  readonly roles: readonly RoleProcess[];
  /** Starts one more of a role, with the stack's own settings. */
  start(role: Role, slots?: number): RoleProcess;
  /** Drains and stops everything; kills what is not gone after the deadline. */
  stop(deadlineMs?: number): Promise<void>;
}

const ENTRY: Record<Role, string> = { scheduler: '@millrace/scheduler/main', 'worker-host': '@millrace/worker-host/main', api: '@millrace/api/main' };
const TAIL_LINES = 40;
const STOP_DEADLINE_MS = 10_000;

export function startStack(options: StackOptions): Stack {
  const taskKey = `local:${randomBytes(32).toString('hex')}`;
  const roles: RoleProcess[] = [];
  const start = (role: Role, slots = 1): RoleProcess => {
    const name = `${role}-${roles.length}`;
    const started = startRole(
      role,
      name,
      { ...roleEnvironment(options, taskKey, name, slots), ...(role === 'api' ? apiEnvironment(options) : {}) },
      options.logFile,
    );
    roles.push(started);
    return started;
  };
  start('scheduler');
  for (const slots of options.hostSlots) start('worker-host', slots);
  if (options.api !== undefined) start('api');
  return { roles, start, stop: (deadlineMs = STOP_DEADLINE_MS) => stopRoles(roles, deadlineMs) };
}

function roleEnvironment(options: StackOptions, taskKey: string, name: string, slots: number): NodeJS.ProcessEnv {
  const scratch = join(options.scratchDirectory, `scratch-${name}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    TMPDIR: process.env['TMPDIR'],
    MILLRACE_REDIS: options.redisUrl,
    ...options.connections,
    MILLRACE_JOURNAL: options.journalUri,
    MILLRACE_CORE: options.coreBinary,
    MILLRACE_TASK_KEY: taskKey,
    MILLRACE_SLOTS: String(slots),
    MILLRACE_TIME_SCALE: String(options.timeScale),
    MILLRACE_READ_ROOTS: options.readRoots.join(':'),
    MILLRACE_WRITE_ROOTS: options.writeRoots.join(':'),
    MILLRACE_SCRATCH: scratch,
    MILLRACE_LOG_LEVEL: process.env['MILLRACE_LOG_LEVEL'] ?? 'info',
    // Several roles on one machine, and nobody who scrapes them.
    MILLRACE_TELEMETRY_PORT: '0',
    MILLRACE_PARENT_PID: String(process.pid),
    MILLRACE_WORKER_ID: name,
    // Hosts hand keys to their cores, the scheduler signs webhooks.
    MILLRACE_SECRETS: process.env['MILLRACE_SECRETS'],
    ...(process.env['MILLRACE_HTTP_ALLOW'] === undefined ? {} : { MILLRACE_HTTP_ALLOW: process.env['MILLRACE_HTTP_ALLOW'] }),
  };
}

function apiEnvironment({ api }: StackOptions): NodeJS.ProcessEnv {
  const { port = 0, token, requestsPerMinute } = api ?? {};
  const rate = requestsPerMinute === undefined ? {} : { MILLRACE_RATE_LIMIT: String(requestsPerMinute) };
  return { MILLRACE_HTTP_HOST: '127.0.0.1', MILLRACE_HTTP_PORT: String(port), MILLRACE_DEV_TOKEN: token, ...rate };
}

function startRole(role: Role, name: string, env: NodeJS.ProcessEnv, logFile: string | null): RoleProcess {
  const entry = fileURLToPath(import.meta.resolve(ENTRY[role]));
  // A process group of its own: a Ctrl-C goes to this process, which then drains the others in order.
  const child = spawn(process.execPath, [entry], { env, stdio: ['pipe', 'ignore', 'pipe'], detached: true });
  child.stdin?.on('error', () => {});
  const tail: string[] = [];
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (logFile !== null) appendFileSync(logFile, text);
    tail.push(...text.split('\n').filter((line) => line !== ''));
    tail.splice(0, Math.max(0, tail.length - TAIL_LINES));
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  let isKilled = false;
  const kill = (signal: NodeJS.Signals): void => {
    isKilled = true;
    child.kill(signal);
  };
  const one: RoleProcess = {
    role,
    name,
    child,
    tail,
    kill,
    get isKilled() {
      return isKilled;
    },
    ended,
  };
  return one;
}

async function stopRoles(roles: readonly RoleProcess[], deadlineMs: number): Promise<void> {
  // Hosts before the scheduler: they hand their work back while it still listens.
  for (const role of ['api', 'worker-host', 'scheduler'] as const) {
    await Promise.all(roles.filter((one) => one.role === role).map((one) => stopRole(one, deadlineMs)));
  }
}

async function stopRole(one: RoleProcess, deadlineMs: number): Promise<void> {
  one.child.kill('SIGTERM');
  const timer = setTimeout(() => one.child.kill('SIGKILL'), deadlineMs);
  await one.ended;
  clearTimeout(timer);
}
