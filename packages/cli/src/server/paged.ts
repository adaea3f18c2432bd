/** Lists of a server, page by page: as many as are asked for, each page as soon as it is there. */
import { type CommandCall, type Flag, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { count } from '../output.ts';
import { type Cell, tableWriter } from './table.ts';

/** As many as the API gives at once. */
const mostOfPage = 200;
const usual = 50;

export const limitFlag: Readonly<Record<string, Flag>> = {
  limit: { type: 'string', value: 'N', help: `at most so many (${usual}; 0: all)` },
};

/** Infinity: all. */
export function limitOf(call: CommandCall, otherwise = usual): number {
  const text = textFlag(call.flags, 'limit');
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isInteger(value) || value < 0) throw new CommandError(exitCodes.usage, `expected a whole number for --limit, got ${JSON.stringify(text)}`);
  return value === 0 ? Number.POSITIVE_INFINITY : value;
}

interface Page<T> {
  readonly data: readonly T[];
  readonly nextCursor: string | null;
  readonly total?: number | null;
}

type AskPage<T> = (page: { limit: number; cursor?: string }) => Promise<Page<T>>;

/** Pages until `limit` items are there, each cut to what is wanted of it. */
export async function* pagesOf<T>(
  limit: number,
  ask: AskPage<T>,
): AsyncGenerator<{ readonly items: readonly T[]; readonly total: number | null; readonly more: boolean }> {
  let [left, cursor]: [number, string | undefined] = [limit, undefined];
  while (left > 0) {
    const page: Page<T> = await ask({ limit: Math.min(left, mostOfPage), ...(cursor === undefined ? {} : { cursor }) });
    left -= page.data.length;
    yield { items: page.data, total: page.total ?? null, more: page.nextCursor !== null };
    if (page.nextCursor === null) return;
    cursor = page.nextCursor;
  }
}

export interface Listing<T> {
  readonly header: readonly string[];
  row(item: T): readonly Cell[];
  /** Said in place of rows. */
  readonly none: string;
}

export interface Listed {
  readonly shown: number;
  /** Null: nobody has counted. */
  readonly total: number | null;
}

/** Prints a list: a table for people, a document each for programs. Says when there are more. */
export async function printList<T>(call: CommandCall, ask: AskPage<T>, { header, row, none }: Listing<T>, otherwise?: number): Promise<Listed> {
  const writer = tableWriter(header);
  let [shown, total, more]: [number, number | null, boolean] = [0, null, false];
  for await (const page of pagesOf(limitOf(call, otherwise), ask)) {
    for (const item of page.items) call.output.document(item);
    if (page.items.length > 0 && !call.output.json) for (const line of writer(page.items.map(row))) call.output.line(line);
    [shown, total, more] = [shown + page.items.length, page.total, page.more];
  }
  if (shown === 0) call.output.say(none);
  else if (more) call.output.say(`${count(shown)} of ${total === null ? 'more' : count(total)}: narrow it with a filter, or --limit N (0: all).`);
  return { shown, total };
}
