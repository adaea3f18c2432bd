/** The log of what operators asked. A number is taken by put-if-absent after reading all before it, so that no two commands share one. */
import type { Command, JobId } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { commandKey, commandsDir, parseNumberedKey } from './paths.ts';
import { putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

export type NewCommand = Omit<Command, 'record' | 'version' | 'number' | 'requestId' | 'correction' | 'retires'> & {
  readonly correction?: string | null;
  readonly retires?: Command['retires'];
};

/** What to append after reading the log so far, or why not. */
export type DecideCommand<Refusal> = (log: readonly Command[]) => { readonly append: NewCommand } | { readonly refuse: Refusal };

const maxTries = 50;

/**
 * Appends what `decide` says under the first free number. When another command takes that number first, `decide` is asked again with it in the log:
 * so two redrives cannot both open one generation. A request that is asked again after its answer was lost finds its own command.
 */
export async function appendCommand<Refusal>(
  store: Store,
  jobId: JobId,
  decide: DecideCommand<Refusal>,
  requestId: string | null = null,
): Promise<{ readonly appended: Stored<'command'> } | { readonly refused: Refusal }> {
  for (let tries = 0; tries < maxTries; tries++) {
    const log = await readCommands(store, jobId);
    const own = requestId === null ? undefined : log.find((command) => command.requestId === requestId);
    const standing = own && (await readRecord(store, 'command', commandKey(jobId, own.number)));
    if (standing) return { appended: standing };
    const decision = decide(log);
    if ('refuse' in decision) return { refused: decision.refuse };
    const number = (log.at(-1)?.number ?? -1) + 1;
    const put = await putIfAbsent(store, 'command', commandKey(jobId, number), {
      record: 'command',
      version: 1,
      number,
      requestId,
      correction: null,
      retires: null,
      ...decision.append,
    });
    if (put.outcome === 'won') return { appended: put.stored };
  }
  throw new AppError('BUSY', `cannot append a command to ${jobId}: others took the number ${maxTries} times`);
}

/** All commands of a job in order. */
export async function readCommands(store: Store, jobId: JobId, from = 0): Promise<Command[]> {
  const commands: Command[] = [];
  for await (const entry of store.list(commandsDir(jobId))) {
    const number = parseNumberedKey(entry.key);
    const stored = number === null || number < from ? null : await readRecord(store, 'command', entry.key);
    if (stored) commands.push(stored.record);
  }
  return commands.sort((a, b) => a.number - b.number);
}
