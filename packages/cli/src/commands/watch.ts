/** `millrace watch JOB`: follows a job on a server to its end. */
import type { Command } from '../command.ts';
import { followServerJob } from '../server/follow-server-job.ts';
import { jobIdOf } from '../server/job-ref.ts';
import { serverFlags, withServer } from '../server/server-call.ts';
import { timeoutOf } from './submit.ts';

export const watch: Command = {
  name: 'watch',
  synopsis: '[JOB] [--timeout TIME]',
  help: 'Follows a job on a server; without JOB the one that was submitted last. Ctrl-C detaches, the job goes on. The exit code says how it ended.',
  flags: { timeout: { type: 'string', value: 'TIME', help: 'give up after so long, such as 30m' }, ...serverFlags },
  run: (call) => {
    const timeoutMs = timeoutOf(call);
    return withServer(call, async ({ client }) => followServerJob(call, client, await jobIdOf(call.args[0], client), { timeoutMs }));
  },
};
