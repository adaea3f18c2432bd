/**
 * A directory of its own for one test file, outside of the checkout: data, outputs, temporary files and a copy of the core. Whatever a test starts
 * carries its path (in the program, the arguments or the environment), so what is left behind can be told from other people's.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { corePath } from '@millrace/core-client';
import type { Producer } from '@millrace/producer';
import { parse } from 'yaml';
import { type FaultRates, parseFaults } from '../../../packages/cli/src/generate/faults.ts';
import { type Expected, writeData } from '../../../packages/cli/src/generate/write-data.ts';
import { type LocalStack, startLocalStack } from '../../../packages/cli/src/local-stack.ts';
import { until } from './until.ts';

export const root = resolve(fileURLToPath(import.meta.url), '../../../..');
/** Leases of 6 s and what goes with them. */
const TIME_SCALE = 0.1;

export interface DataOptions {
  readonly kind?: 'orders' | 'events';
  readonly records: number;
  readonly files?: number;
  readonly seed?: number;
  /** As `millrace generate --faults` takes them; a mix of all when not given. */
  readonly faults?: string | undefined;
}

export interface StackOptions {
  readonly out: string;
  readonly readRoots: readonly string[];
  /** Slots of each worker host; one host with one slot when not given. */
  readonly hostSlots?: readonly number[];
}

export class Workbench {
  readonly home: string;
  readonly #before: { readonly TMPDIR: string | undefined; readonly MILLRACE_CORE: string | undefined };

  /** `hooks`: the core that dies of marked records. */
  constructor(name: string, options: { readonly hooks?: boolean } = {}) {
    const { TMPDIR, MILLRACE_CORE } = process.env;
    this.#before = { TMPDIR, MILLRACE_CORE };
    this.home = mkdtempSync(join(tmpdir(), `mr-${name}-`));
    mkdirSync(this.temporary);
    const binary = options.hooks === true ? `${corePath()}-hooks` : corePath();
    if (!existsSync(binary)) throw new Error(`no ${binary}: run the tests with \`npm test\`, which builds it`);
    copyFileSync(binary, this.core);
    process.env['TMPDIR'] = this.temporary;
    process.env['MILLRACE_CORE'] = this.core;
  }

  /** Where everything that is started puts its temporary files. */
  get temporary(): string {
    return join(this.home, 'tmp');
  }

  get core(): string {
    return join(this.home, 'millrace-core');
  }

  path(...names: string[]): string {
    return join(this.home, ...names);
  }

  /** Dirty data with a recorded truth, in a directory of this name. */
  generate(name: string, { kind = 'orders', records, files = 1, seed = 11, faults }: DataOptions): { readonly directory: string; readonly expected: Expected } {
    const directory = this.path(name);
    const rates: FaultRates = parseFaults(faults);
    return { directory, expected: writeData({ kind, directory, seed, records, sizeBytes: null, files, faults: rates }) };
  }

  /** Redis, a scheduler and worker hosts, as `millrace run` starts them, with short leases. */
  async stack({ out, readRoots, hostSlots = [1] }: StackOptions): Promise<LocalStack> {
    mkdirSync(out, { recursive: true });
    return patient(await startLocalStack({ directory: out, readRoots, writeRoots: [out], hostSlots, timeScale: TIME_SCALE, logFile: `${out}.log` }));
  }

  /** Processes that this test file has started, or that those have. */
  processes(): { readonly pid: number; readonly command: string }[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .flatMap((name) => {
        const found = describeProcess(`/proc/${name}`);
        return found?.includes(this.home) ? [{ pid: Number(name), command: found.slice(0, 200) }] : [];
      });
  }

  /** Throws when processes or temporary directories are there although everything was stopped. */
  async expectNothingRuns(): Promise<void> {
    await until('all processes to end', () => this.processes().length === 0, { describe: () => JSON.stringify(this.processes()) });
    await until('temporary directories to go', () => readdirSync(this.temporary).length === 0, {
      describe: () => readdirSync(this.temporary).join(' '),
    });
  }

  async close(): Promise<void> {
    for (const { pid } of this.processes()) killQuietly(pid);
    for (const [name, value] of Object.entries(this.#before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Jobs are sent while the scheduler still starts, which on a busy machine takes longer than a caller would wait for its answer. */
export function patient(local: LocalStack): LocalStack {
  const { producer } = local;
  const timeout = '120s';
  const submit: Producer['submit'] = (spec, options) => producer.submit(spec, { timeout, ...options });
  const open: Producer['open'] = (spec, options) => producer.open(spec, { timeout, ...options });
  return { ...local, producer: { ...producer, submit, open } };
}

/** Program, arguments and environment as one text; null when it is gone or a zombie. */
function describeProcess(directory: string): string | null {
  try {
    const state = /^State:\s+(\w)/m.exec(readFileSync(join(directory, 'status'), 'utf8'))?.[1];
    if (state === 'Z' || state === 'X') return null;
    const [command, environment] = ['cmdline', 'environ'].map((name) => readFileSync(join(directory, name), 'utf8').replaceAll('\0', ' '));
    return `${readlinkSync(join(directory, 'exe'))} ${command} ${environment}`;
  } catch {
    return null;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

export type WrittenSpec = Record<string, unknown>;

/** The job that generated data come with, over absolute places. `changes` replace whole members. */
export function generatedSpec(data: string, out: string, chunkSize: string, changes: WrittenSpec = {}): WrittenSpec {
  const spec = parse(readFileSync(join(data, 'spec.yaml'), 'utf8')) as WrittenSpec;
  const { uri, ...input } = spec['inputs'] as { uri: string[] };
  const inputs = { ...input, uri: uri.map((name) => pathToFileURL(join(data, name)).href) };
  return { ...spec, inputs, output: { uri: `${pathToFileURL(out).href}/`, compression: 'snappy' }, execution: { chunkSize }, ...changes };
}
