/** Asks before something is started in bulk: yes or no, above a thousand the number itself. */
import { createInterface } from 'node:readline/promises';
import { type CommandCall, isSet } from './command.ts';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';
import { count } from './output.ts';

const typedAbove = 1_000;

/** False: the person said no. Without a terminal `--yes` is needed. */
export async function confirmed(call: CommandCall, what: string, items: number): Promise<boolean> {
  if (isSet(call.flags, 'yes')) return true;
  if (process.stdin.isTTY !== true) {
    throw new CommandError(exitCodes.needsConfirmation, `${what}: nobody can be asked without a terminal`, 'Add --yes if that is what you want.');
  }
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
