/** `millrace attempts CHUNK [--diff A B]`: every attempt at a chunk with its record, newest first, and what two of them differ in. */
import { type AttemptView, attemptDifferences, attemptsNewestFirst } from '@millrace/protocol';
import { type Command, type CommandCall, isSet } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { attemptOfJournal, describeAttempt } from '../describe-attempt.ts';
import { describeDifference, pairIn } from '../describe-difference.ts';
import { withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { namesDirectory } from '../place.ts';
import { showServerAttempts } from '../server/chunks.ts';
import { contentFlag, serverFlags } from '../server/server-call.ts';

export const attempts: Command = {
  name: 'attempts',
  synopsis: '[JOB | DIR] CHUNK [--diff [A B]]',
  help: 'Shows every attempt at a chunk (`clean.227`; `plan.3` is the planning of file 3) over all generations, newest first. CHUNK may have its job in front; without one the newest job is meant. --diff shows what two differ in: A and B count from 1, the newest; the last two when not given.',
  flags: { diff: { type: 'boolean', help: 'what two attempts differ in' }, ...contentFlag, ...serverFlags },
  reads: () => true,
  run: async (call) => {
    if (!namesDirectory(call.args[0])) return showServerAttempts(call);
    const views = await readAttempts(call);
    if (isSet(call.flags, 'diff')) return showDifference(call, views);
    for (const [index, view] of views.entries()) {
      call.output.document(view);
      for (const line of describeAttempt(index + 1, attemptOfJournal(view))) call.output.line(line);
    }
    if (views.length === 0) call.output.say('No attempt has ended yet.');
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
  const records = views.flatMap(({ record }) => (record === null ? [] : [record]));
  const [earlier, later] = pairIn(records, call.args.slice(2));
  const differences = attemptDifferences(earlier, later);
  call.output.document({ earlier: earlier.attemptId, later: later.attemptId, differences });
  for (const line of describeDifference(earlier, later, differences)) call.output.line(line);
  return exitCodes.done;
}
