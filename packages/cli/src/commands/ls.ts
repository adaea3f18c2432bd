/** `millrace ls [FILTER]`: the jobs of a server, newest first. */
import { type Command, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { size } from '../output.ts';
import { serverFlags, withServer } from '../server/server-call.ts';
import { table } from '../server/table.ts';

const pageOf = 50;

export const ls: Command = {
  name: 'ls',
  synopsis: '[FILTER] [--limit N]',
  help: 'Lists jobs, newest first. FILTER: `state:running,failed name:orders* age:<2d label.team:sales`, as in the dashboard.',
  flags: { limit: { type: 'string', value: 'N', help: `how many, at most 200 (${pageOf})` }, ...serverFlags },
  run: (call) =>
    withServer(call, async ({ client }) => {
      const limit = Number(textFlag(call.flags, 'limit') ?? pageOf);
      if (!Number.isInteger(limit) || limit < 1 || limit > 200) throw new CommandError(exitCodes.usage, `expected 1 to 200 for --limit, got ${limit}`);
      const q = call.args.join(' ');
      const page = await client.call('GET /jobs', { query: { limit, ...(q === '' ? {} : { q }) } });
      for (const job of page.data) call.output.document(job);
      const rows = page.data.map((job) => [
        job.jobId,
        job.state,
        `${job.chunks.committed}/${job.chunks.total}${job.sealed ? '' : '+'}`,
        size(job.bytes.total),
        job.balance.emitted,
        job.balance.rejected,
        job.chunks.dead,
        job.acceptedAt.slice(0, 19).replace('T', ' '),
        job.name,
      ]);
      if (rows.length === 0) call.output.line(q === '' ? 'No job yet. Submit one: millrace submit SPEC.yaml' : `No job matches ${q}.`);
      else for (const line of table(['job', 'state', 'chunks', 'size', 'emitted', 'rejected', 'dead', 'accepted (UTC)', 'name'], rows)) call.output.line(line);
      if (page.nextCursor !== null) call.output.say(`${rows.length} of ${page.total ?? 'more'}; narrow it with a filter or raise --limit.`);
      return exitCodes.done;
    }),
};
