/** Asks before something is started in bulk: yes or no, above a thousand the number itself. */
import { createInterface } from 'node:readline/promises';
import { type CommandCall, isSet } from './command.ts';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';
import { count } from './output.ts';

const typedAbove = 1_000;

/** Somebody has said yes already, or can be asked. */
export const canConfirm = ({ flags }: CommandCall): boolean => isSet(flags, 'yes') || (process.stdin.isTTY === true && !isSet(flags, 'no-input'));

/** Before anything is begun that somebody has to confirm. */
export function assertCanConfirm(call: CommandCall): void {
  if (canConfirm(call)) return;
  throw new CommandError(exitCodes.needsConfirmation, 'nobody can be asked without a terminal', 'Look with --dry-run; add --yes if that is what you want.');
}

/** False: the person said no. */
export async function confirmed(call: CommandCall, what: string, items: number): Promise<boolean> {
  if (isSet(call.flags, 'yes')) return true;
  const question = items > typedAbove ? `${what}. Type ${items} to start: ` : `${what}. Start? [y/N] `;
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = (await reader.question(question, { signal: call.signal })).trim().replaceAll(',', '');
    return items > typedAbove ? answer === String(items) : /^y(es)?$/i.test(answer);
  } finally {
    reader.close();
  }
}

export const itemsText = (items: number): string => `${count(items)} ${items === 1 ? 'item' : 'items'}`;
