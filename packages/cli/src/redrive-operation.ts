/** A redrive as an operation, for people: its plan in words, and following it until it is over or stands still by itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError, type Producer } from '@millrace/producer';
import { defaultCanary, type ItemCounts, isTerminalJobState, type Operation, type RedrivePlan } from '@millrace/protocol';
import { type CommandCall, textFlag } from './command.ts';
import { CommandError } from './command-error.ts';
import { itemsText } from './confirm.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { bar, count, seconds, size } from './output.ts';

const lookEveryMs = 300;
/** Of a plan; `--json` has more. */
const shownCannot = 10;

/** Waits while the scheduler reads the dead letters of this journal. */
export async function planned(producer: Producer, what: Parameters<Producer['redrives']['plan']>[0], call: CommandCall): Promise<RedrivePlan> {
  for (;;) {
    try {
      return await producer.redrives.plan(what, { signal: call.signal });
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'REBUILDING') throw asCommandError(error);
      await sleep(lookEveryMs, undefined, { signal: call.signal });
    }
  }
}

const exitCodeOf: Readonly<Record<string, ExitCode>> = {
  FILTER_EMPTY: exitCodes.notFound,
  FILTER_INVALID: exitCodes.usage,
  NOT_FOUND: exitCodes.notFound,
  PLAN_EMPTY: exitCodes.conflict,
  PLAN_EXPIRED: exitCodes.conflict,
  PLAN_USED: exitCodes.conflict,
  STATE_CONFLICT: exitCodes.conflict,
};

export function asCommandError(error: unknown): unknown {
  if (!(error instanceof MillraceError)) return error;
  const exitCode = exitCodeOf[error.code] ?? (error.code.startsWith('SPEC_') ? exitCodes.usage : exitCodes.failed);
  return new CommandError(exitCode, error.message, null, { code: error.code });
}

/** What a plan of a directory and of a server have in common. */
type ShownPlan = Pick<RedrivePlan, 'target' | 'counts' | 'bytesToRead' | 'rate' | 'byCode' | 'reduceAgain' | 'changes' | 'warnings' | 'cannot' | 'jobs'> & {
  readonly estimate: RedrivePlan['estimate'];
};

const will = { redrive: 'will be redriven', replay: 'will be replayed', waive: 'will be waived' } as const;

export function describePlan(plan: ShownPlan, verb: keyof typeof will = 'redrive'): string[] {
  const { counts } = plan;
  const parts = [`${count(counts.matched)} match`, `${count(counts.willRedrive)} ${will[verb]}`];
  if (counts.resolvedSince > 0) parts.push(`${count(counts.resolvedSince)} resolved since`);
  if (counts.cannot > 0) parts.push(`${count(counts.cannot)} cannot`);
  const lines = [parts.join(' · ')];
  if (plan.target === 'jobs') lines.push('  every chunk without a receipt, dead or never run');
  else if (verb !== 'waive') lines.push(`  ${describeWork(plan)}`);
  const codes = Object.entries(plan.byCode).sort(([, a], [, b]) => b - a);
  if (codes.length > 0) lines.push(`  ${codes.map(([code, items]) => `${code} ${count(items)}`).join('   ')}`);
  if (plan.jobs.length > 1) lines.push(...describeJobs(plan.jobs));
  for (const { stage, partitions } of plan.reduceAgain) lines.push(`  up to ${count(partitions)} partitions of ${stage} run again`);
  for (const { pointer, first, now } of plan.changes)
    lines.push(`  ${pointer.slice(1).replaceAll('/', '.')}: ${JSON.stringify(first)} becomes ${JSON.stringify(now)}`);
  for (const { code, message } of plan.warnings) lines.push(`  warning ${code}: ${message}`);
  for (const { id, reason } of plan.cannot.slice(0, shownCannot)) lines.push(`  cannot ${id.slice(id.indexOf('.') + 1)}: ${reason}`);
  if (counts.cannot > shownCannot) lines.push(`  … ${count(counts.cannot - shownCannot)} more that cannot`);
  return lines;
}

function describeWork({ bytesToRead, rate, estimate }: ShownPlan): string {
  const pace = rate === null ? '' : ` · requeued in ${wholeSeconds(estimate.requeueSeconds)} at ${count(rate)}/s`;
  const work = estimate.workSeconds === null ? '' : ` · about ${wholeSeconds(estimate.workSeconds)} of work`;
  return `${size(bytesToRead)} to read${pace}${work}`;
}

const wholeSeconds = (value: number): string => (value < 60 ? `${value} s` : seconds(value * 1_000));

function describeJobs(jobs: ShownPlan['jobs']): string[] {
  const largest = [...jobs].sort((a, b) => b.items - a.items).slice(0, 5);
  const lines = largest.map(({ jobId, name, state, items }) => `  ${jobId}  ${name}  ${state}  ${count(items)}`);
  return jobs.length > largest.length ? [...lines, `  … ${count(jobs.length - largest.length)} more jobs`] : lines;
}

type ShownOperation = Pick<
  Operation,
  'operationId' | 'state' | 'counts' | 'why' | 'rate' | 'canary' | 'canaryPassed' | 'reason' | 'by' | 'startedAt' | 'endedAt'
>;

export function describeOperation(operation: ShownOperation): string[] {
  const { operationId, state, counts, why, rate, canary, reason, by, startedAt, endedAt } = operation;
  const lines = [`${operationId}  ${state}  ${describeCounts(counts)}`];
  lines.push(`  started ${startedAt} by ${by}${reason === '' ? '' : `: ${reason}`}${endedAt === null ? '' : `, ended ${endedAt}`}`);
  if (why !== null) lines.push(`  ${why.code}: ${why.message}`);
  const first =
    canary === null ? '' : `canary of ${canary.count}, ${Math.round(canary.minResolved * 100)} % must be resolved${operation.canaryPassed ? ' (passed)' : ''}`;
  const pace = rate === null ? '' : `${count(rate)} items a second`;
  if (first !== '' || pace !== '') lines.push(`  ${[first, pace].filter((text) => text !== '').join(' · ')}`);
  return lines;
}

export const describeCounts = ({ total, resolved, failedAgain, skipped }: ItemCounts): string =>
  `${count(resolved)} of ${count(total)} resolved, ${count(failedAgain)} failed again, ${count(skipped)} skipped`;

/** The moving line of an operation. */
export const operationLine = (counts: ItemCounts): string =>
  `  ${bar((counts.resolved + counts.failedAgain + counts.skipped) / Math.max(1, counts.total))}  ${describeCounts(counts)}`;

/** Until it is over, and its jobs with it, or until it stands still by itself. A person who leaves leaves it as it is: it goes on with the next run. */
export async function followOperation(call: CommandCall, producer: Producer, operationId: string): Promise<Operation> {
  let said = '';
  for (;;) {
    const operation = await producer.redrives.operation(operationId, { signal: call.signal });
    const { counts } = operation;
    const text = describeCounts(counts);
    if (text !== said) call.output.document({ type: 'operation', operation });
    call.output.progress({ line: operationLine(counts), state: operation.state, document: { type: 'operation', operation } });
    said = text;
    if (operation.state === 'paused' || (operation.endedAt !== null && (await jobsEnded(producer, operation)))) return operation;
    await sleep(lookEveryMs, undefined, { signal: call.signal });
  }
}

/** The generations that it opened may still have other chunks, and their finish. */
async function jobsEnded(producer: Producer, operation: Operation): Promise<boolean> {
  for (const { jobId } of operation.jobs) if (!isTerminalJobState((await producer.job(jobId).status()).state)) return false;
  return true;
}

/** What is said at the end, and the exit code that says it to programs. */
export function reportOperation(call: CommandCall, operation: Operation, directory: string): ExitCode {
  call.output.document({ type: 'result', operation });
  for (const line of describeOperation(operation)) call.output.line(line);
  if (operation.state === 'paused')
    call.output.line(
      `Go on: millrace ops resume ${directory} ${operation.operationId}      Give up the rest: millrace ops abort ${directory} ${operation.operationId}`,
    );
  return exitCodeOfOperation(operation);
}

/** Items that were skipped, because their generation failed before they ran, are not resolved either. */
export const exitCodeOfOperation = ({ state, counts }: Pick<Operation, 'state' | 'counts'>): ExitCode =>
  state === 'finished' && counts.resolved === counts.total ? exitCodes.done : exitCodes.jobFailed;

export const startQuestion = (plan: RedrivePlan, verb: keyof typeof will): string => `${itemsText(plan.confirm)} ${will[verb]}`;

/** Flags of how fast an operation goes, as a start takes them. */
export function paceOf(call: CommandCall): { rate?: number; canary?: { count: number; minResolved: number } | null } {
  const [rate, canary] = [numberFlag(call, 'rate'), numberFlag(call, 'canary')];
  return {
    ...(rate === undefined ? {} : { rate }),
    ...(canary === undefined ? {} : { canary: canary === 0 ? null : { count: canary, minResolved: defaultCanary.minResolved } }),
  };
}

function numberFlag(call: CommandCall, name: string): number | undefined {
  const text = textFlag(call.flags, name);
  if (text === undefined) return undefined;
  const isWhole = /^\d{1,6}$/.test(text);
  if (isWhole && (name !== 'rate' || Number(text) > 0)) return Number(text);
  throw new CommandError(exitCodes.usage, `expected a number for --${name}, got ${JSON.stringify(text)}`);
}

/** Items a second, as an argument. */
export function readRate(text: string | undefined): number {
  if (text !== undefined && /^\d{1,6}$/.test(text) && Number(text) > 0) return Number(text);
  throw new CommandError(exitCodes.usage, `expected items a second, got ${JSON.stringify(text ?? '')}`);
}

/** Of `--set`: place in the spec → value. */
export function overridesOf(call: CommandCall): Record<string, unknown> {
  const given = call.flags['set'];
  const overrides: Record<string, unknown> = {};
  for (const text of Array.isArray(given) ? given.map(String) : []) {
    const at = text.indexOf('=');
    if (at <= 0) throw new CommandError(exitCodes.usage, `expected PATH=VALUE for --set, got ${JSON.stringify(text)}`);
    overrides[text.slice(0, at)] = writtenValue(text.slice(at + 1));
  }
  return overrides;
}

/** JSON where it is some, else the text as it stands. */
function writtenValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
