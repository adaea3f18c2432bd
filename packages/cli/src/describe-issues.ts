/** What is wrong with a spec, in lines for people. */
import type { CommandCall } from './command.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { counted } from './output.ts';
import { visible } from './server/table.ts';

export interface Issue {
  readonly pointer: string;
  readonly code: string;
  readonly message: string;
  readonly suggestion?: string | undefined;
  readonly hint?: string | null;
}

/** Place, what is wrong, the nearest name, and what to do. */
export function describeIssue({ pointer, code, message, suggestion, hint }: Issue): string[] {
  const place = pointer
    .replace(/^\/spec(?=\/|$)/, '')
    .slice(1)
    .replaceAll('/', '.');
  const known = suggestion === undefined || message.includes(suggestion) ? '' : ` (did you mean ${suggestion}?)`;
  return [`${place === '' ? 'the spec' : place}: ${visible(message)}${known}  [${code}]`, ...(hint == null || hint === '' ? [] : [`  hint: ${hint}`])];
}

/** What it comes to, in words and as an exit code. */
export function verdict(call: CommandCall, mistakes: number): ExitCode {
  const name = call.args.length === 1 ? (call.args[0] ?? '') : counted(call.args.length, 'file');
  call.output.say(mistakes === 0 ? `${name}: nothing is wrong.` : `${name}: ${counted(mistakes, 'mistake')}.`);
  return mistakes === 0 ? exitCodes.done : exitCodes.usage;
}
