/** The attempts of a chunk as people read them, and what two of them differ in. Pure. */
import type { FailureRecord } from './failure-record.ts';
import { openedAtOf } from './ids.ts';
import { type Difference, specDifferences } from './spec-difference.ts';

/** How an attempt ended: with a full record when it did not commit. */
export interface AttemptView {
  readonly attemptId: string;
  readonly generation: number;
  readonly outcome: 'committed' | FailureRecord['outcome'];
  /** Null of a committed one: what it did stands in its receipt. */
  readonly record: FailureRecord | null;
  /** Of a committed one as its id says. */
  readonly startedAt: string | null;
  /** Null of a committed one. */
  readonly endedAt: string | null;
}

/** Newest first: by generation, then by their ends; what committed is the newest of its generation. */
export function attemptsNewestFirst(
  failures: readonly FailureRecord[],
  committed: readonly { readonly attemptId: string; readonly generation: number }[],
): AttemptView[] {
  const views: AttemptView[] = failures.map((record) => {
    const { attemptId, generation, outcome, startedAt, endedAt } = record;
    return { attemptId, generation, outcome, record, startedAt, endedAt };
  });
  for (const { attemptId, generation } of committed)
    views.push({ attemptId, generation, outcome: 'committed', record: null, startedAt: openedAtOf(attemptId), endedAt: null });
  return views.sort((a, b) => b.generation - a.generation || compareEnds(a, b));
}

function compareEnds(a: AttemptView, b: AttemptView): number {
  if (a.endedAt === null || b.endedAt === null) return a.endedAt === b.endedAt ? 0 : a.endedAt === null ? -1 : 1;
  return a.endedAt < b.endedAt ? 1 : a.endedAt > b.endedAt ? -1 : 0;
}

/** Fields that differ between any two attempts of one chunk, and say nothing. */
const alwaysDifferent = /^\/(record|version|jobId|stage|chunk|attemptId|startedAt|endedAt)$/;

interface Timed {
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** What an earlier and a later attempt differ in; how long each took counts as a field of its own, in milliseconds. */
export function attemptDifferences<T extends Timed>(earlier: T, later: T): Difference[] {
  const found = specDifferences(earlier, later, 1_000).filter(({ pointer }) => !alwaysDifferent.test(pointer));
  const [first, now] = [durationMs(earlier), durationMs(later)];
  return first === now ? found : [...found, { pointer: '/durationMs', first, now }];
}

const durationMs = ({ startedAt, endedAt }: Timed): number | null =>
  startedAt === null || endedAt === null ? null : Date.parse(endedAt) - Date.parse(startedAt);
