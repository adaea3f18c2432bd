/** `millrace` as a person runs it: its own process, through the starter in `bin`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './workbench.ts';

export interface CliEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  /** What it has said on stderr so far. */
  readonly stderr: () => string;
  /** And on stdout. */
  readonly stdout: () => string;
  readonly ended: Promise<CliEnd>;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function startCli(args: readonly string[], { cwd = process.cwd(), env = {} }: CliOptions = {}): RunningCli {
  const child = spawn(process.execPath, [join(root, 'packages/cli/bin/millrace.js'), ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<CliEnd>((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
  return { child, stderr: () => stderr, stdout: () => stdout, ended };
}

export const cli = (args: readonly string[], options?: CliOptions): Promise<CliEnd> => startCli(args, options).ended;

/** The documents that `--json` printed. */
export const documents = (end: CliEnd): Record<string, unknown>[] =>
  end.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
