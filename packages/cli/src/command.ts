import type { ParseArgsConfig } from 'node:util';
import type { ExitCode } from './exit-codes.ts';
import type { Output } from './output.ts';

export type FlagTypes = NonNullable<ParseArgsConfig['options']>;
export type FlagValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** What stands for the value in the help, such as `SIZE`. */
  readonly value?: string;
  readonly help: string;
}

/** One verb of the command line. Everything about it stands in one file: name, help, flags, action. */
export interface Command {
  readonly name: string;
  /** Arguments as the help shows them. */
  readonly synopsis: string;
  readonly help: string;
  readonly flags: Readonly<Record<string, Flag>>;
  /** True: with these arguments it only looks. Then it may end as soon as nobody reads what it prints, and `--json=?` may run it. */
  reads?(args: readonly string[]): boolean;
  run(call: CommandCall): Promise<ExitCode>;
}

/** Verb → command, loaded when it is asked for. */
export type CommandTable = Readonly<Record<string, { readonly about: string; load(): Promise<Command> }>>;

export interface CommandCall {
  readonly args: readonly string[];
  readonly flags: FlagValues;
  readonly output: Output;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** All there are, for what tells of them. */
  readonly commands: CommandTable;
}

/** Flags that every command takes. */
export const GLOBAL_FLAGS: Readonly<Record<string, Flag>> = {
  json: { type: 'boolean', help: 'print JSON documents; FIELDS: only these, such as jobId,chunks.dead; ?: list them' },
  quiet: { type: 'boolean', short: 'q', help: 'no talk on stderr' },
  'no-input': { type: 'boolean', help: 'never ask: what would, ends with 9' },
  'no-color': { type: 'boolean', help: 'nothing is coloured; also by NO_COLOR' },
  yes: { type: 'boolean', short: 'y', help: 'do not ask' },
  progress: { type: 'string', value: 'MODE', help: 'auto, tty, plain, json or none' },
  help: { type: 'boolean', short: 'h', help: 'show this' },
};

export const textFlag = (flags: FlagValues, name: string): string | undefined => {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
};

export const isSet = (flags: FlagValues, name: string): boolean => flags[name] === true;
