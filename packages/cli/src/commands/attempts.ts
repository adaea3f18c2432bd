/** `millrace attempts DIR CHUNK [--diff A B]`: every attempt at a chunk with its record, newest first, and what two of them differ in. */
import { type AttemptView, attemptDifferences, attemptsNewestFirst, codeInfo, type FailureRecord } from '@millrace/protocol';
import { type Command, type CommandCall, isSet } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, size } from '../output.ts';

export const attempts: Command = {
  name: 'attempts',
  synopsis: 'DIR CHUNK [--diff [A B]]',
  help: 'Shows every attempt at a chunk (`clean.227`; `plan.3` is the planning of file 3) over all generations, newest first. --diff shows what two differ in: A and B count from 1, the newest; the last two when not given.',
  flags: { diff: { type: 'boolean', help: 'what two attempts differ in' } },
  run: async (call) => {
    const views = await readAttempts(call);
    if (isSet(call.flags, 'diff')) return showDifference(call, views);
    for (const [index, view] of views.entries()) {
      call.output.document(view);
      for (const line of describeAttempt(index + 1, view)) call.output.line(line);
    }
    if (views.length === 0) call.output.line('No attempt has ended yet.');
    return exitCodes.done;
  },
};

async function readAttempts(call: CommandCall): Promise<AttemptView[]> {
  const [out, name = ''] = call.args;
  const match = /^(?:j[0-9a-z]{26}\.)?([a-z][a-z0-9]{0,31})\.(\d{1,10})$/.exec(name);
  if (match === null) throw new CommandError(exitCodes.usage, `expected a chunk such as clean.227, got ${JSON.stringify(name)}`);
  const [stage, chunk] = [match[1] ?? '', Number(match[2])];
  return withJob(out, async ({ journal }, view) => {
    const { jobId } = view.job.record;
    const known = view.chunks.find((one) => one.stage === stage && one.chunk.chunk === chunk);
    const failures = (await journal.readFailures(jobId, stage, chunk)).map(({ record }) => record);
    if (known === undefined && failures.length === 0) throw new CommandError(exitCodes.notFound, `no chunk ${name} and no attempt at it`);
    const committed: { attemptId: string; generation: number }[] = [];
    for (const { key, generation } of known?.verdicts ?? []) {
      const verdict = (await journal.readVerdictAt(key))?.record;
      if (verdict?.outcome === 'committed') committed.push({ attemptId: verdict.attemptId, generation });
    }
    return attemptsNewestFirst(failures, committed);
  });
}

function showDifference(call: CommandCall, views: readonly AttemptView[]): ExitCode {
  const [a, b] = call.args.length > 2 ? [Number(call.args[2]), Number(call.args[3])] : [2, 1];
  const [earlier, later] = [recordAt(views, Math.max(a, b)), recordAt(views, Math.min(a, b))];
  const differences = attemptDifferences(earlier, later);
  call.output.document({ earlier: earlier.attemptId, later: later.attemptId, differences });
  call.output.line(`${earlier.attemptId}  ${earlier.startedAt}`);
  call.output.line(`${later.attemptId}  ${later.startedAt}`);
  for (const { pointer, first, now } of differences) {
    call.output.line(`  ${pointer.slice(1).replaceAll('/', '.')}`);
    call.output.line(`    - ${JSON.stringify(first ?? null)}`);
    call.output.line(`    + ${JSON.stringify(now ?? null)}`);
  }
  if (differences.length === 0) call.output.line('  They differ in nothing but their times.');
  return exitCodes.done;
}

function recordAt(views: readonly AttemptView[], number: number): FailureRecord {
  const records = views.flatMap(({ record }) => (record === null ? [] : [record]));
  const found = Number.isInteger(number) ? records[number - 1] : undefined;
  if (found === undefined) throw new CommandError(exitCodes.notFound, `there are ${records.length} attempts with a record, no number ${number}`);
  return found;
}

function describeAttempt(number: number, { attemptId, generation, outcome, record }: AttemptView): string[] {
  if (record === null) return [`${number}  ${attemptId}  generation ${generation}  ${outcome}`];
  const lines = [
    `${number}  ${attemptId}  generation ${generation}  ${outcome}  ${record.code} (${record.class})  on ${record.worker}`,
    `    ${record.startedAt} to ${record.endedAt}, ${count(record.recordsDone)} records and ${size(record.bytesDone)} done, mode ${record.mode}`,
    `    ${record.message}`,
  ];
  const { hint } = codeInfo(record.code);
  if (hint !== '') lines.push(`    hint: ${hint}`);
  if (record.signal !== null || record.exitCode !== null) lines.push(`    core ended: ${record.signal ?? `exit code ${record.exitCode}`}`);
  if (record.peakRssBytes !== null) lines.push(`    peak memory: ${size(record.peakRssBytes)}`);
  for (const cause of record.causes) lines.push(`    caused by: ${cause}`);
  for (const line of record.stderrTail?.trim().split('\n').slice(-5) ?? []) if (line !== '') lines.push(`    | ${line}`);
  return lines;
}
