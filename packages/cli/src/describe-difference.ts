/** What two attempts differ in, for people. Pure. */
import type { Difference } from '@millrace/protocol';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';

/** The earlier and the later one of two that are named by number, 1 the newest; the last two when none is named. */
export function pairIn<T>(newestFirst: readonly T[], numbers: readonly string[]): readonly [earlier: T, later: T] {
  const [a, b] = numbers.length === 0 ? [2, 1] : [Number(numbers[0]), Number(numbers[1])];
  const numbered = (number: number): T => {
    const found = Number.isInteger(number) ? newestFirst[number - 1] : undefined;
    if (found !== undefined) return found;
    throw new CommandError(exitCodes.notFound, `there are ${newestFirst.length} attempts with a record, no number ${number}`);
  };
  return [numbered(Math.max(a, b)), numbered(Math.min(a, b))];
}

interface Named {
  readonly attemptId: string;
  readonly startedAt: string | null;
}

export function describeDifference(earlier: Named, later: Named, differences: readonly Difference[]): string[] {
  const lines = [`- ${earlier.attemptId}  ${earlier.startedAt}`, `+ ${later.attemptId}  ${later.startedAt}`];
  for (const { pointer, first, now } of differences) {
    lines.push(`  ${pointer.slice(1).replaceAll('/', '.')}`, `    - ${JSON.stringify(first ?? null)}`, `    + ${JSON.stringify(now ?? null)}`);
  }
  return differences.length === 0 ? [...lines, '  They differ in nothing but their times.'] : lines;
}
