/** Follows a job on a server to the end of its generation: one moving line on a terminal, else a line every ten seconds and at each change of state. */
import type { Client, DataOf } from '@millrace/api-contract/client';
import { isTerminalJobState } from '@millrace/protocol';
import type { CommandCall } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count } from '../output.ts';
import { progressLine } from '../run-report.ts';

type Job = DataOf<'GET /jobs/{jobId}'>;

const lookEveryMs = 500;
const plainEveryMs = 10_000;

export interface FollowServerOptions {
  /** Gives up after so long; the job goes on. */
  readonly timeoutMs: number | null;
}

/** The exit code that the end of the job means. Ctrl-C detaches. */
export async function followServerJob(call: CommandCall, client: Client, jobId: string, { timeoutMs }: FollowServerOptions): Promise<ExitCode> {
  const begunMs = performance.now();
  let said = { state: '', atMs: Number.NEGATIVE_INFINITY, line: '' };
  for (;;) {
    const job = await client.call('GET /jobs/{jobId}', { params: { jobId } });
    const line = progressLine(job as never);
    if (line !== said.line) call.output.document({ type: 'progress', at: new Date().toISOString(), status: job });
    call.output.paint(line);
    const isDue = job.state !== said.state || performance.now() - said.atMs > plainEveryMs;
    if (!call.output.moves && !call.output.json && isDue) call.output.say(line);
    said = { state: job.state, atMs: isDue ? performance.now() : said.atMs, line };
    if (isTerminalJobState(job.state)) return tellEnd(call, job);
    if (timeoutMs !== null && performance.now() - begunMs > timeoutMs) {
      throw new CommandError(exitCodes.timedOut, `${jobId} has not ended within ${timeoutMs / 1_000} s; it goes on`, `millrace watch ${jobId}`);
    }
    if (!(await waited(call.signal))) {
      call.output.say(`Detached. The job goes on: millrace watch ${jobId}`);
      return exitCodes.interrupted;
    }
  }
}

/** False: the person does not wait any longer. */
function waited(signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((done) => {
    const end = (value: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      done(value);
    };
    const aborted = (): void => end(false);
    const timer = setTimeout(() => end(true), lookEveryMs);
    signal.addEventListener('abort', aborted);
  });
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
