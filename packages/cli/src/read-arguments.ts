import { parseArgs } from 'node:util';
import { nearestName } from '@millrace/protocol';
import { type Command, type Flag, type FlagTypes, type FlagValues, GLOBAL_FLAGS } from './command.ts';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';
import type { JsonWanted } from './output.ts';

export interface Arguments {
  readonly args: readonly string[];
  readonly flags: FlagValues;
  /** What `--json` asks for; `false` without it. */
  readonly json: JsonWanted;
}

/** Reads a command's arguments; an unknown flag is refused with the nearest known name. */
export function readArguments(command: Command, argv: readonly string[]): Arguments {
  const known = { ...GLOBAL_FLAGS, ...command.flags };
  const { rest, json } = takeJson(argv);
  try {
    const { values, positionals } = parseArgs({ args: rest, options: optionTypes(known), allowPositionals: true, strict: true });
    return { args: positionals, flags: values as FlagValues, json };
  } catch (error) {
    throw new CommandError(exitCodes.usage, usageMessage(error, Object.keys(known)), `See \`millrace ${command.name} --help\`.`);
  }
}

/** `--json` stands alone or with what is wanted of each document: `--json=jobId,chunks.dead`. A shell's parser knows no flag that may have a value. */
function takeJson(argv: readonly string[]): { rest: string[]; json: JsonWanted } {
  const end = argv.indexOf('--');
  const isFlag = (text: string, at: number): boolean => (end === -1 || at < end) && (text === '--json' || text.startsWith('--json='));
  const written = argv.filter(isFlag).at(-1);
  const rest = argv.map((text, at) => (isFlag(text, at) ? '--json' : text));
  if (written === undefined) return { rest, json: false };
  if (written === '--json') return { rest, json: true };
  const text = written.slice('--json='.length);
  if (text === '?') return { rest, json: 'fields' };
  const fields = text.split(',').filter((field) => field !== '');
  if (fields.length === 0) throw new CommandError(exitCodes.usage, 'expected names of fields for --json=', '`--json=?` lists them; `--json` prints all.');
  return { rest, json: fields };
}

function optionTypes(flags: Readonly<Record<string, Flag>>): FlagTypes {
  const types: FlagTypes = {};
  for (const [name, flag] of Object.entries(flags)) {
    types[name] = { type: flag.type, ...(flag.short === undefined ? {} : { short: flag.short }), ...(flag.multiple === true ? { multiple: true } : {}) };
  }
  return types;
}

function usageMessage(error: unknown, known: readonly string[]): string {
  const message = error instanceof Error ? error.message : String(error);
  const unknown = /Unknown option '--([^'=]+)/.exec(message)?.[1];
  if (unknown === undefined) return (message.split('. ')[0] ?? message).replace(/^Option/, 'option');
  const nearest = nearestName(unknown, known);
  return `unknown option --${unknown}${nearest === undefined ? '' : `: did you mean --${nearest}?`}`;
}

/** The help of one command, made from its own description. */
export function commandHelp(command: Command): string {
  const rows = Object.entries({ ...command.flags, ...GLOBAL_FLAGS }).map(([name, flag]) => {
    if (name === 'json') return `  ${'--json[=FIELDS]'.padEnd(28)} ${flag.help}`;
    const head = `${flag.short === undefined ? '' : `-${flag.short}, `}--${name}${flag.type === 'string' ? ` ${flag.value ?? 'VALUE'}` : ''}`;
    return `  ${head.padEnd(28)} ${flag.help}`;
  });
  return [`millrace ${command.name} ${command.synopsis}`, '', command.help, '', ...rows].join('\n');
}
