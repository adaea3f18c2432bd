/** `millrace pause|resume|cancel DIR`: asks the scheduler of the `run` that is at work in a directory. */
import { connect, MillraceError, StateError } from '@millrace/producer';
import type { JobStatus } from '@millrace/protocol';
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { findStack } from '../running-stack.ts';
import { isJobRef, jobIdOf } from '../server/job-ref.ts';
import { serverFlags, withServer } from '../server/server-call.ts';

type Word = 'pause' | 'resume' | 'cancel';

const help: Record<Word, string> = {
  pause: 'Pauses a job of a server, or the one that `run` is at work on in a directory: chunks in hand end, nothing new begins, until `millrace resume`.',
  resume: 'Lets a paused job go on.',
  cancel:
    'Cancels a job of a server, or the one that `run` is at work on in a directory: running cores stop within seconds, receipts stay, and a redrive or the same `run` goes on from them.',
};

const done: Record<Word, string> = {
  pause: 'Paused. It goes on with `millrace resume`.',
  resume: 'Resumed.',
  cancel: 'Cancelled. The same `millrace run` goes on from what was committed.',
};

export const [pause, resume, cancel] = (['pause', 'resume', 'cancel'] as const).map(steering) as [Command, Command, Command];

function steering(word: Word): Command {
  return {
    name: word,
    synopsis: 'DIR | JOB [--reason TEXT]',
    help: help[word],
    flags: { reason: { type: 'string', value: 'TEXT', help: 'why, for the record' }, ...serverFlags },
    run: async (call) => {
      if (isJobRef(call.args[0])) return steerOnServer(word, call);
      const status = await steer(word, call);
      call.output.document({ type: 'status', status });
      call.output.line(done[word]);
      return exitCodes.done;
    },
  };
}

async function steerOnServer(word: Word, call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const jobId = await jobIdOf(call.args[0], client);
    const reason = textFlag(call.flags, 'reason');
    const answer = await client.call(`POST /jobs/{jobId}/${word}`, { params: { jobId }, body: reason === undefined ? {} : { reason } });
    call.output.document({ type: 'status', ...answer });
    call.output.line(`${jobId} is ${answer.state}.`);
    if (answer.state === 'paused') call.output.say(`It goes on with: millrace resume ${jobId}`);
    if (answer.state === 'cancelled') call.output.say(`What was committed stays; to go on from it: millrace redrive ${jobId}`);
    return exitCodes.done;
  });
}

async function steer(word: Word, call: CommandCall): Promise<JobStatus> {
  const { jobId, path } = await withJob(call.args[0], async (directory, view) => ({ jobId: view.job.record.jobId, path: directory.path }));
  const stack = findStack(path);
  if (stack === null) throw new CommandError(exitCodes.conflict, `nothing runs in ${path}`, 'Run the same `millrace run` again: it goes on where it stopped.');
  const producer = await connect({ redis: stack.redisUrl, timeout: '5s' });
  try {
    const handle = producer.job(jobId);
    const reason = textFlag(call.flags, 'reason') ?? '';
    return await (word === 'resume' ? handle.resume() : handle[word](reason));
  } catch (error) {
    if (error instanceof StateError) throw new CommandError(exitCodes.conflict, error.message, null, { code: error.code });
    if (error instanceof MillraceError && error.retryable) throw new CommandError(exitCodes.unavailable, error.message, null, { code: error.code });
    throw error;
  } finally {
    await producer.close();
  }
}
