/** Logs of a job on a server. */
import type { CommandCall } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { printLogLine, sayEnd, type WantedLogs } from '../log-lines.ts';
import { jobIdOf } from './job-ref.ts';
import { withServer } from './server-call.ts';

const mostOfPage = 200;

export function logsOnServer(call: CommandCall, { chunk, attempt, level, content, limit }: WantedLogs): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const jobId = await jobIdOf(call.args[0], client);
    const named = { ...(chunk === undefined ? {} : { chunk }), ...(attempt === undefined ? {} : { attempt: attempt as never }) };
    const attempts = new Set<string>();
    let cursor: string | undefined;
    do {
      // A page is of attempts, each with all of its lines.
      const page = { limit: Math.min(mostOfPage, limit - attempts.size), ...(cursor === undefined ? {} : { cursor }) };
      const { data, nextCursor } = await client.call('GET /jobs/{jobId}/logs', { params: { jobId }, query: { ...named, level, content, ...page } });
      for (const line of data) {
        attempts.add(line.attemptId);
        printLogLine(call, line);
      }
      cursor = nextCursor ?? undefined;
    } while (cursor !== undefined && attempts.size < limit);
    sayEnd(call, attempts.size, cursor !== undefined);
    return exitCodes.done;
  });
}
