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
/** From this share of a budget on its owner is warned. */
const warnAt = 0.8;

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

/** Which budget it is, what it counted and what it allows: what a person needs to raise it or to look for the cause. */
export interface BudgetEvidence {
  /** Its place in the spec, such as `rejects.perColumn.amount.maxRows`. */
  readonly budget: string;
  /** The file, column or pattern of codes that it is about; null: the whole job. */
  readonly subject: string | null;
  /** Rejects, dead chunks or dead bytes. */
  readonly value: number;
  /** Of a ratio: the records or bytes that `value` is measured against. */
  readonly of: number | null;
  readonly limit: number;
  /** The most frequent codes among what was counted. */
  readonly codes: Counts;
}

export interface BudgetDecision {
  readonly exceeded: { readonly code: FailureCode; readonly message: string; readonly evidence: BudgetEvidence } | null;
}

/** One limit of the spec with what was counted against it. */
interface Gauge extends BudgetEvidence {
  readonly code: FailureCode;
  /** As messages name it. */
  readonly name: string;
  /** May it end a job that still runs, by its own words. */
  readonly stops: boolean;
  /** Does a ratio say something yet while the job runs. */
  readonly ratioCounts: boolean;
  /** Records that the rejects are among; 0 where there are none. */
  readonly recordsIn: number;
}

type Spec = Pick<ResolvedJobSpec, 'rejects' | 'deadLetters'>;

const mostUses = 50;

/** What is used of each budget, those of the whole job first; of files, columns and codes only those that something was counted against. At most fifty. */
export function budgetUses(sums: BudgetSums, spec: Spec): BudgetEvidence[] {
  const gauges = [...rejectGauges(sums, spec.rejects), ...deadGauges(sums, spec.deadLetters)];
  const shown = gauges.filter(({ subject, value }) => subject === null || value > 0).sort((a, b) => Number(a.subject !== null) - Number(b.subject !== null));
  return shown.slice(0, mostUses).map(evidenceOf);
}

/** The first budget that is used up: rejects of the job, of a file, column, inferred column, code; then dead letters. */
export function decideBudget(sums: BudgetSums, spec: Spec, moment: BudgetMoment): BudgetDecision {
  for (const gauge of gaugesOf(sums, spec)) {
    if ((moment === 'finish' || gauge.stops) && isBroken(gauge, moment)) return { exceeded: exceededBy(gauge) };
  }
  return { exceeded: null };
}

/** What the finisher writes beside a code that ended a job early: the budget of that code by the final sums. Null for codes that name no budget. */
export function budgetEvidence(sums: BudgetSums, spec: Spec, code: string): BudgetEvidence | null {
  const gauges = [...gaugesOf(sums, spec)].filter((gauge) => gauge.code === code);
  const gauge = gauges.find((one) => isBroken(one, 'finish')) ?? gauges[0];
  return gauge === undefined ? null : evidenceOf(gauge);
}

/** The budget of which most is used, from four fifths on; null while none is that near. */
export function nearestBudget(sums: BudgetSums, spec: Spec): BudgetEvidence | null {
  let nearest: { gauge: Gauge; used: number } | null = null;
  for (const gauge of gaugesOf(sums, spec)) {
    const isRatio = gauge.of !== null;
    if (gauge.limit === 0 || (isRatio && (!gauge.ratioCounts || gauge.value <= minRejectsForRatio))) continue;
    const used = gauge.value / (gauge.limit * (gauge.of ?? 1));
    if (used >= warnAt && used > (nearest?.used ?? 0)) nearest = { gauge, used };
  }
  return nearest === null ? null : evidenceOf(nearest.gauge);
}

function* gaugesOf(sums: BudgetSums, spec: Spec): Generator<Gauge> {
  if (sums.rejected > 0) yield* rejectGauges(sums, spec.rejects);
  if (sums.deadChunks > 0) yield* deadGauges(sums, spec.deadLetters);
}

function* rejectGauges(sums: BudgetSums, rejects: Spec['rejects']): Generator<Gauge> {
  const { byCode, byColumn, recordsIn, rejected } = sums;
  if (rejects.mode === 'fail') {
    yield* limitGauges(
      sums,
      rejects,
      ['BUDGET_REJECTS', 'rejects.mode: fail', 'rejects.mode', null],
      { maxRows: 0, maxRatio: null },
      rejected,
      recordsIn,
      byCode,
    );
  } else {
    yield* limitGauges(sums, rejects, ['BUDGET_REJECTS', 'rejects', 'rejects', null], rejects, rejected, recordsIn, byCode);
  }
  for (const file of sums.files) {
    const of = ['BUDGET_FILE', `rejects.perFile of ${file.uri}`, 'rejects.perFile', file.uri] as const;
    yield* limitGauges(sums, rejects, of, rejects.perFile, file.rejected, file.recordsIn, {});
  }
  for (const [column, codes] of Object.entries(byColumn)) {
    const limit = ownMember(rejects.perColumn, column);
    const of = ['BUDGET_COLUMN', `rejects.perColumn of ${column}`, `rejects.perColumn.${column}`, column] as const;
    if (limit) yield* limitGauges(sums, rejects, of, limit, total(codes), recordsIn, codes);
  }
  for (const [column, codes] of Object.entries(byColumn)) {
    if (!sums.inferred.includes(column)) continue;
    const typed = Object.fromEntries(Object.entries(codes).filter(([code]) => code.startsWith('TYPE_')));
    const of = ['BUDGET_COLUMN', `rejects.perInferred of ${column}, whose type was inferred`, 'rejects.perInferred', column] as const;
    yield* limitGauges(sums, rejects, of, rejects.perInferred, total(typed), recordsIn, typed);
  }
  for (const [pattern, limit] of Object.entries(rejects.perCode)) {
    const codes = Object.fromEntries(Object.entries(byCode).filter(([code]) => codeMatches(pattern, code)));
    const of = ['BUDGET_CODE', `rejects.perCode of ${pattern}`, `rejects.perCode.${pattern}`, pattern] as const;
    yield* limitGauges(sums, rejects, of, limit, total(codes), recordsIn, codes);
  }
}

type GaugeHead = readonly [code: FailureCode, name: string, budget: string, subject: string | null];

function* limitGauges(
  sums: BudgetSums,
  { onExceeded, minRecords, mode }: Spec['rejects'],
  [code, name, budget, subject]: GaugeHead,
  limit: RejectLimit,
  value: number,
  recordsIn: number,
  codes: Counts,
): Generator<Gauge> {
  const ratioCounts = sums.recordsIn >= minRecords;
  const gauge = { code, name, subject, value, codes, recordsIn, stops: onExceeded === 'stop', ratioCounts };
  const named = (word: string): string => (mode === 'fail' && budget === 'rejects.mode' ? budget : `${budget}.${word}`);
  if (limit.maxRows !== null) yield { ...gauge, budget: named('maxRows'), of: null, limit: limit.maxRows };
  if (limit.maxRatio !== null) yield { ...gauge, budget: named('maxRatio'), of: recordsIn, limit: limit.maxRatio };
}

function* deadGauges({ deadChunks, deadBytes, plannedBytes }: BudgetSums, limit: Spec['deadLetters']): Generator<Gauge> {
  const stops = limit.onExceeded === 'stop';
  const gauge = { code: 'BUDGET_DEAD_LETTERS', name: 'deadLetters', subject: null, codes: {}, stops, ratioCounts: true, recordsIn: 0 } as const;
  if (limit.maxChunks !== null) yield { ...gauge, budget: 'deadLetters.maxChunks', value: deadChunks, of: null, limit: limit.maxChunks };
  if (limit.maxRatio !== null && plannedBytes !== null) {
    yield { ...gauge, budget: 'deadLetters.maxRatio', value: deadBytes, of: plannedBytes, limit: limit.maxRatio };
  }
}

/** A ratio over few records says nothing yet about a job that goes on, and one over few rejects nothing at all. */
function isBroken({ value, of, limit, ratioCounts, name }: Gauge, moment: BudgetMoment): boolean {
  if (of === null) return value > limit;
  if (name !== 'deadLetters' && ((moment === 'running' && !ratioCounts) || value <= minRejectsForRatio)) return false;
  return value > limit * of;
}

function exceededBy(gauge: Gauge): NonNullable<BudgetDecision['exceeded']> {
  return { code: gauge.code, message: messageOf(gauge), evidence: evidenceOf(gauge) };
}

function messageOf({ name, value, of, limit, codes, recordsIn, code }: Gauge): string {
  if (code === 'BUDGET_DEAD_LETTERS') {
    return of === null
      ? `deadLetters: expected at most ${limit} chunks (maxChunks), got ${value} dead`
      : `deadLetters: expected at most ${limit} of all bytes (maxRatio), got ${value} dead of ${of}`;
  }
  const expected = of === null ? `at most ${limit} (maxRows)` : `at most ${limit} of all records (maxRatio)`;
  return `${name}: expected ${expected}, got ${value} rejects among ${recordsIn} records${topCodes(codes)}`;
}

function evidenceOf({ budget, subject, value, of, limit, codes }: Gauge): BudgetEvidence {
  return { budget, subject, value, of, limit, codes: Object.fromEntries(mostFrequent(codes)) };
}

function mostFrequent(codes: Counts): [string, number][] {
  return Object.entries(codes)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, topCodeCount);
}

function topCodes(codes: Counts): string {
  const top = mostFrequent(codes);
  return top.length === 0 ? '' : `; most often ${top.map(([code, times]) => `${code} (${times})`).join(', ')}`;
}

function total(codes: Counts): number {
  return Object.values(codes).reduce((sum, times) => sum + times, 0);
}

function ownMember<Value>(map: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}
