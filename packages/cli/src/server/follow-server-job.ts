/** Follows a job on a server to the end of its generation: one moving line on a terminal, else a line every ten seconds and at each change of state. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, DataOf } from '@millrace/api-contract/client';
import { isTerminalJobState } from '@millrace/protocol';
import type { CommandCall } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, type ProgressStep } from '../output.ts';
import { progressLine } from '../run-report.ts';

type Job = DataOf<'GET /jobs/{jobId}'>;

const lookEveryMs = 500;

export interface FollowServerOptions {
  /** Gives up after so long; the job goes on. */
  readonly timeoutMs: number | null;
}

/** The exit code that the end of the job means. Ctrl-C detaches, and so does a reader of stdout that leaves. */
export async function followServerJob(call: CommandCall, client: Client, jobId: string, { timeoutMs }: FollowServerOptions): Promise<ExitCode> {
  const looked = await untilEnd(call, {
    look: () => client.call('GET /jobs/{jobId}', { params: { jobId } }),
    step: (job) => ({ line: progressLine(job as never), state: job.state, document: { type: 'progress', at: new Date().toISOString(), status: job } }),
    isOver: (job) => isTerminalJobState(job.state),
    timeoutMs,
  });
  if (looked.end === 'over') return tellEnd(call, looked.value);
  const goesOn = `millrace watch ${jobId}`;
  if (looked.end === 'late') throw new CommandError(exitCodes.timedOut, `${jobId} has not ended within ${(timeoutMs ?? 0) / 1_000} s; it goes on`, goesOn);
  call.output.say(`Detached. The job goes on: ${goesOn}`);
  return exitCodes.interrupted;
}

export interface Following<T> {
  look(): Promise<T>;
  step(value: T): ProgressStep;
  isOver(value: T): boolean;
  readonly timeoutMs: number | null;
}

/** Looks twice a second and tells each change, until it is over, it is late, or nobody waits any longer. */
export async function untilEnd<T>(
  call: CommandCall,
  { look, step, isOver, timeoutMs }: Following<T>,
): Promise<{ readonly end: 'over'; readonly value: T } | { readonly end: 'late' | 'left' }> {
  const left = AbortSignal.any([call.signal, call.output.closed]);
  const begunMs = performance.now();
  let said = '';
  for (;;) {
    if (left.aborted) return { end: 'left' };
    const value = await look();
    const told = step(value);
    if (told.line !== said) call.output.document(told.document);
    said = told.line;
    call.output.progress(told);
    if (isOver(value)) return { end: 'over', value };
    if (timeoutMs !== null && performance.now() - begunMs > timeoutMs) return { end: 'late' };
    await sleep(lookEveryMs, undefined, { signal: left }).catch(() => undefined);
  }
}

function tellEnd(call: CommandCall, job: Job): ExitCode {
  const exitCode = job.state === 'completed' ? exitCodes.done : exitCodes.jobFailed;
  call.output.document({
    type: 'result',
    state: job.state,
    jobId: job.jobId,
    generation: job.generation,
    balance: job.balance,
    failure: job.failure,
    exitCode,
  });
  for (const line of describeEnd(job)) call.output.line(line);
  return exitCode;
}

export function describeEnd(job: Job): string[] {
  const { balance } = job;
  const lines = [
    `${job.state}${job.durationMs === null ? '' : ` in ${(job.durationMs / 1_000).toFixed(1)} s`}${job.failure === null ? '' : `: ${job.failure.code} ${job.failure.message}`}`,
  ];
  const rows = [
    ['records in', balance.recordsIn],
    ['emitted', balance.emitted],
    ['filtered', balance.filtered],
    ['deduplicated', balance.deduplicated],
    ['rejected', balance.rejected],
  ] as const;
  for (const [name, value] of rows) lines.push(`  ${name.padEnd(14)} ${count(value).padStart(14)}`);
  const { emitted, filtered, deduplicated, rejected } = balance;
  const holds = balance.recordsIn === emitted + filtered + deduplicated + rejected;
  if (holds) lines.push(`  balance holds: ${count(balance.recordsIn)} = ${count(emitted)} + ${count(filtered)} + ${count(deduplicated)} + ${count(rejected)}`);
  if (job.chunks.dead > 0) lines.push(`See the dead letters: millrace dead ls ${job.jobId}      Try again: millrace redrive ${job.jobId}`);
  return lines;
}
