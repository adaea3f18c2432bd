/** `millrace ls [FILTER]`: the jobs of a server, newest first. */
import type { Command } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { size } from '../output.ts';
import { limitFlag, printList } from '../server/paged.ts';
import { serverFlags, withServer } from '../server/server-call.ts';
import { at } from '../server/table.ts';

export const ls: Command = {
  name: 'ls',
  synopsis: '[FILTER] [--limit N]',
  help: 'Lists jobs, newest first. FILTER: `state:running,failed name:orders* age:<2d label.team:sales`, as in the dashboard.',
  flags: { ...limitFlag, ...serverFlags },
  reads: () => true,
  run: (call) =>
    withServer(call, async ({ client }) => {
      const q = call.args.join(' ');
      await printList(call, (page) => client.call('GET /jobs', { query: { q, ...page } }), {
        header: ['job', 'state', 'chunks', 'size', 'emitted', 'rejected', 'dead', 'accepted (UTC)', 'name'],
        row: (job) => [
          job.jobId,
          job.state,
          `${job.chunks.committed}/${job.chunks.total}${job.sealed ? '' : '+'}`,
          size(job.bytes.total),
          job.balance.emitted,
          job.balance.rejected,
          job.chunks.dead,
          at(job.acceptedAt),
          job.name,
        ],
        none: q === '' ? 'No job yet. Submit one: millrace submit SPEC.yaml' : `No job matches ${q}.`,
      });
      return exitCodes.done;
    }),
};
