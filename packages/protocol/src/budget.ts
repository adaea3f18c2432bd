/**
 * Error budgets: how many rejects and how much dead work a job tolerates. Pure: the scheduler asks while the job runs, the finisher with the final
 * sums. Every ratio of rejects counts only above 100 of them, so that toy files pass.
 */
import type { Counts } from './balance.ts';
import type { FailureCode } from './failure.ts';
import type { RejectLimit, ResolvedJobSpec } from './job-spec-shape.ts';
import { codeMatches } from './spec-rules.ts';

const minRejectsForRatio = 100;
const topCodeCount = 3;

export interface BudgetSums {
  readonly recordsIn: number;
  readonly rejected: number;
  readonly byCode: Counts;
  readonly byColumn: Readonly<Record<string, Counts>>;
  readonly files: readonly { readonly uri: string; readonly recordsIn: number; readonly rejected: number }[];
  /** Columns whose type was inferred. */
  readonly inferred: readonly string[];
  readonly deadChunks: number;
  readonly deadBytes: number;
  /** All bytes of the plan; null while it is not sealed: then no ratio of bytes is judged. */
  readonly plannedBytes: number | null;
}

/** `running`: while chunks are still open, what may stop the job early. `finish`: every outcome is there. */
export type BudgetMoment = 'running' | 'finish';

export interface BudgetDecision {
  readonly exceeded: { readonly code: FailureCode; readonly message: string } | null;
}

/** The first budget that is used up: rejects of the job, of a file, column, inferred column, code; then dead letters. */
export function decideBudget(sums: BudgetSums, spec: Pick<ResolvedJobSpec, 'rejects' | 'deadLetters'>, moment: BudgetMoment): BudgetDecision {
  return { exceeded: rejectsExceeded(sums, spec.rejects, moment) ?? deadLettersExceeded(sums, spec.deadLetters, moment) };
}

type Exceeded = NonNullable<BudgetDecision['exceeded']>;
type Rejects = ResolvedJobSpec['rejects'];

function rejectsExceeded(sums: BudgetSums, rejects: Rejects, moment: BudgetMoment): Exceeded | null {
  if (moment === 'running' && rejects.onExceeded === 'finish') return null;
  if (sums.rejected === 0) return null;
  // A ratio over few records says nothing yet about a job that goes on.
  const ratiosCount = moment === 'finish' || sums.recordsIn >= rejects.minRecords;
  const judge = (code: FailureCode, name: string, limit: RejectLimit, rejected: number, recordsIn: number, codes: Counts): Exceeded | null => {
    const broken = brokenLimit(limit, rejected, recordsIn, ratiosCount);
    return broken === null ? null : { code, message: `${name}: expected ${broken}, got ${rejected} rejects among ${recordsIn} records${topCodes(codes)}` };
  };
  const whole = rejects.mode === 'fail' ? { maxRows: 0, maxRatio: null } : rejects;
  const wholeName = rejects.mode === 'fail' ? 'rejects.mode: fail' : 'rejects';
  const columns = Object.entries(sums.byColumn);
  const inferred = columns.filter(([column]) => sums.inferred.includes(column));
  return (
    judge('BUDGET_REJECTS', wholeName, whole, sums.rejected, sums.recordsIn, sums.byCode) ??
    first(sums.files, (file) => judge('BUDGET_FILE', `rejects.perFile of ${file.uri}`, rejects.perFile, file.rejected, file.recordsIn, {})) ??
    first(columns, ([column, codes]) => {
      const limit = ownMember(rejects.perColumn, column);
      return limit && judge('BUDGET_COLUMN', `rejects.perColumn of ${column}`, limit, total(codes), sums.recordsIn, codes);
    }) ??
    first(inferred, ([column, codes]) => {
      const typed = Object.fromEntries(Object.entries(codes).filter(([code]) => code.startsWith('TYPE_')));
      return judge('BUDGET_COLUMN', `rejects.perInferred of ${column}, whose type was inferred`, rejects.perInferred, total(typed), sums.recordsIn, typed);
    }) ??
    first(Object.entries(rejects.perCode), ([pattern, limit]) => {
      const codes = Object.fromEntries(Object.entries(sums.byCode).filter(([code]) => codeMatches(pattern, code)));
      return judge('BUDGET_CODE', `rejects.perCode of ${pattern}`, limit, total(codes), sums.recordsIn, codes);
    })
  );
}

function deadLettersExceeded(sums: BudgetSums, limit: ResolvedJobSpec['deadLetters'], moment: BudgetMoment): Exceeded | null {
  if (moment === 'running' && limit.onExceeded === 'finish') return null;
  if (sums.deadChunks === 0) return null;
  const exceeded = (message: string): Exceeded => ({ code: 'BUDGET_DEAD_LETTERS', message: `deadLetters: ${message}` });
  if (limit.maxChunks !== null && sums.deadChunks > limit.maxChunks) {
    return exceeded(`expected at most ${limit.maxChunks} chunks (maxChunks), got ${sums.deadChunks} dead`);
  }
  if (limit.maxRatio !== null && sums.plannedBytes !== null && sums.deadBytes > limit.maxRatio * sums.plannedBytes) {
    return exceeded(`expected at most ${limit.maxRatio} of all bytes (maxRatio), got ${sums.deadBytes} dead of ${sums.plannedBytes}`);
  }
  return null;
}

/** The limit that does not hold, in words, or null. */
function brokenLimit(limit: RejectLimit, rejected: number, recordsIn: number, ratiosCount: boolean): string | null {
  if (limit.maxRows !== null && rejected > limit.maxRows) return `at most ${limit.maxRows} (maxRows)`;
  if (limit.maxRatio === null || !ratiosCount || rejected <= minRejectsForRatio) return null;
  return rejected > limit.maxRatio * recordsIn ? `at most ${limit.maxRatio} of all records (maxRatio)` : null;
}

function topCodes(codes: Counts): string {
  const top = Object.entries(codes)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, topCodeCount);
  return top.length === 0 ? '' : `; most often ${top.map(([code, times]) => `${code} (${times})`).join(', ')}`;
}

function total(codes: Counts): number {
  return Object.values(codes).reduce((sum, times) => sum + times, 0);
}

function first<Item>(items: Iterable<Item>, judge: (item: Item) => Exceeded | null | undefined): Exceeded | null {
  for (const item of items) {
    const exceeded = judge(item);
    if (exceeded) return exceeded;
  }
  return null;
}

function ownMember<Value>(map: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}
