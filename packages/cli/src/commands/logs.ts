/** `millrace logs JOB [--chunk C]`: what attempts that did not commit left to read, the first error first; on a server or in a directory. */
import { isAtLeast, logLevelOf, logLevels, logLines } from '@millrace/protocol';
import { type Command, type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { printLogLine, sayEnd, type WantedLogs } from '../log-lines.ts';
import { namesDirectory } from '../place.ts';
import { limitFlag, limitOf } from '../server/paged.ts';
import { contentFlag, serverFlags } from '../server/server-call.ts';

export const logs: Command = {
  name: 'logs',
  synopsis: '[JOB | DIR] [--chunk CHUNK] [--attempt ID] [--level error|warn|info] [--limit N]',
  help: 'Shows what attempts that did not commit left to read, the first error first: how each ended and why, and with --content the last words of its core. Lines of the core may hold content of records: on a server they are for stewards, and each look is recorded.',
  flags: {
    chunk: { type: 'string', value: 'CHUNK', help: 'of one chunk alone, such as clean.227 or plan.3' },
    attempt: { type: 'string', value: 'ID', help: 'of one attempt alone' },
    level: { type: 'string', value: 'LEVEL', help: 'the least: error (failed), warn (also lost; the default), info (also given back)' },
    ...limitFlag,
    ...contentFlag,
    ...serverFlags,
  },
  reads: () => true,
  run: async (call) => {
    if (call.args.length > 1) throw new CommandError(exitCodes.usage, `expected one job, got ${JSON.stringify(call.args.join(' '))}`);
    const wanted = wantedLogs(call);
    return namesDirectory(call.args[0]) ? localLogs(call, wanted) : (await import('../server/logs.ts')).logsOnServer(call, wanted);
  },
};

function wantedLogs(call: CommandCall): WantedLogs {
  const level = textFlag(call.flags, 'level') ?? 'warn';
  const known = logLevels.find((each) => each === level);
  if (known === undefined) throw new CommandError(exitCodes.usage, `expected ${logLevels.join(', ')} for --level, got ${JSON.stringify(level)}`);
  const named = textFlag(call.flags, 'chunk');
  const chunk = named === undefined ? undefined : /^(?:j[0-9a-z]{26}\.)?([a-z][a-z0-9]{0,31}\.\d{1,10})$/.exec(named)?.[1];
  if (named !== undefined && chunk === undefined)
    throw new CommandError(exitCodes.usage, `expected a chunk such as clean.227 for --chunk, got ${JSON.stringify(named)}`);
  return { chunk, attempt: textFlag(call.flags, 'attempt'), level: known, content: isSet(call.flags, 'content'), limit: limitOf(call) };
}

/** The journal of a directory is that of its owner: nothing of it is hidden. */
async function localLogs(call: CommandCall, { chunk, attempt, level, limit }: WantedLogs): Promise<ExitCode> {
  await withJob(call.args[0], async ({ journal }, view) => {
    const { jobId } = view.job.record;
    const stages = chunk === undefined ? ['plan', ...new Set(view.chunks.map(({ stage }) => stage)), 'finish'] : [chunk.slice(0, chunk.indexOf('.'))];
    const names: { readonly stage: string; readonly chunk: number; readonly attemptId: string }[] = [];
    for (const stage of stages) {
      for await (const name of journal.listFailures(jobId, stage)) {
        if (chunk !== undefined && chunk !== `${stage}.${name.chunk}`) continue;
        if (attempt === undefined || attempt === name.attemptId) names.push({ ...name, stage });
      }
    }
    names.sort((a, b) => (a.attemptId < b.attemptId ? -1 : 1));
    let shown = 0;
    for (const name of names) {
      if (shown >= limit) break;
      const stored = await journal.readFailure(jobId, name.stage, name.chunk, name.attemptId as never);
      if (stored === null || !isAtLeast(logLevelOf(stored.record.outcome), level)) continue;
      shown += 1;
      for (const line of logLines(stored.record, true)) printLogLine(call, line);
    }
    sayEnd(call, shown, names.length > limit);
  });
  return exitCodes.done;
}
