/** `millrace watch JOB`: follows a job on a server to its end. */
import type { Command } from '../command.ts';
import { followServerJob } from '../server/follow-server-job.ts';
import { jobIdOf } from '../server/job-ref.ts';
import { type Session, serverFlags, withServer } from '../server/server-call.ts';

export const watch: Command = {
  name: 'watch',
  synopsis: '[JOB] [--timeout TIME]',
  help: 'Follows a job on a server; without JOB the one that was submitted last. Ctrl-C detaches, the job goes on. The exit code says how it ended.',
  flags: serverFlags,
  run: (call) => {
    const follow = async ({ client, timeoutMs }: Session) => followServerJob(call, client, await jobIdOf(call.args[0], client), { timeoutMs });
    return withServer(call, follow, { follows: true });
  },
};
