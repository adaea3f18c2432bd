/** A redrive as an operation, for people: its plan in words, and following it until it is over or stands still by itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError, type Producer } from '@millrace/producer';
import { type ItemCounts, isTerminalJobState, type Operation, type RedrivePlan } from '@millrace/protocol';
import type { CommandCall } from './command.ts';
import { CommandError } from './command-error.ts';
import { itemsText } from './confirm.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { bar, count, size } from './output.ts';

const lookEveryMs = 300;
const plainEveryMs = 10_000;

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

export function describePlan(plan: RedrivePlan): string[] {
  const { counts, estimate } = plan;
  const parts = [`${count(counts.matched)} match`, `${count(counts.willRedrive)} will be redriven`];
  if (counts.resolvedSince > 0) parts.push(`${count(counts.resolvedSince)} resolved since`);
  if (counts.cannot > 0) parts.push(`${count(counts.cannot)} cannot`);
  const pace = plan.rate === null ? '' : ` · requeued in ${estimate.requeueSeconds} s at ${plan.rate}/s`;
  const work = estimate.workSeconds === null ? '' : ` · about ${estimate.workSeconds} s of work`;
  const lines = [parts.join(' · '), `  ${size(plan.bytesToRead)} to read${pace}${work}`];
  lines.push(
    `  ${Object.entries(plan.byCode)
      .map(([code, items]) => `${code} ${count(items)}`)
      .join('   ')}`,
  );
  for (const { stage, partitions } of plan.reduceAgain) lines.push(`  up to ${count(partitions)} partitions of ${stage} run again`);
  for (const { pointer, first, now } of plan.changes)
    lines.push(`  ${pointer.slice(1).replaceAll('/', '.')}: ${JSON.stringify(first)} becomes ${JSON.stringify(now)}`);
  for (const { code, message } of plan.warnings) lines.push(`  warning ${code}: ${message}`);
  for (const { id, reason } of plan.cannot.slice(0, 10)) lines.push(`  cannot ${id.slice(id.indexOf('.') + 1)}: ${reason}`);
  return lines;
}

export function describeOperation(operation: Operation): string[] {
  const { operationId, state, counts, why, rate, canary, reason, by, startedAt, endedAt } = operation;
  const lines = [`${operationId}  ${state}  ${describeCounts(counts)}`];
  lines.push(`  started ${startedAt} by ${by}${reason === '' ? '' : `: ${reason}`}${endedAt === null ? '' : `, ended ${endedAt}`}`);
  if (why !== null) lines.push(`  ${why.code}: ${why.message}`);
  const first =
    canary === null ? '' : `canary of ${canary.count}, ${Math.round(canary.minResolved * 100)} % must be resolved${operation.canaryPassed ? ' (passed)' : ''}`;
  const pace = rate === null ? '' : `${rate} items a second`;
  if (first !== '' || pace !== '') lines.push(`  ${[first, pace].filter((text) => text !== '').join(' · ')}`);
  return lines;
}

export const describeCounts = ({ total, resolved, failedAgain, skipped }: ItemCounts): string =>
  `${count(resolved)} of ${count(total)} resolved, ${count(failedAgain)} failed again, ${count(skipped)} skipped`;

/** Until it is over, and its jobs with it, or until it stands still by itself. A person who leaves leaves it as it is: it goes on with the next run. */
export async function followOperation(call: CommandCall, producer: Producer, operationId: string): Promise<Operation> {
  let plainAtMs = performance.now();
  let said = '';
  for (;;) {
    const operation = await producer.redrives.operation(operationId, { signal: call.signal });
    const { counts } = operation;
    const text = describeCounts(counts);
    call.output.paint(`  ${bar((counts.resolved + counts.failedAgain + counts.skipped) / Math.max(1, counts.total))}  ${text}`);
    if (text !== said) call.output.document({ type: 'operation', operation });
    if (!call.output.moves && !call.output.json && performance.now() - plainAtMs > plainEveryMs && text !== said) {
      plainAtMs = performance.now();
      call.output.say(`  ${text}`);
    }
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
  return operation.state === 'finished' && operation.counts.failedAgain === 0 ? exitCodes.done : exitCodes.jobFailed;
}

export const startQuestion = (plan: RedrivePlan): string => `${itemsText(plan.confirm)} will be redriven`;
