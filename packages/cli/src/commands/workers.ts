/** `millrace workers [ls | drain ID]`: the hosts of a server. */
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { serverFlags, withServer } from '../server/server-call.ts';
import { table } from '../server/table.ts';

export const workers: Command = {
  name: 'workers',
  synopsis: '[ls]   |   drain ID [--reason TEXT]',
  help: 'Lists the hosts that are alive with what they have in hand, or asks one to end what it has and leave.',
  flags: { reason: { type: 'string', value: 'TEXT', help: 'why, for the record' }, ...serverFlags },
  reads: ([verb]) => verb !== 'drain',
  run: (call) => {
    const [verb = 'ls', id, ...rest] = call.args;
    if (verb === 'ls' && id === undefined) return list(call);
    if (verb === 'drain' && id !== undefined && rest.length === 0) return drain(call, id);
    throw new CommandError(exitCodes.usage, `expected ls or drain ID, got ${JSON.stringify(call.args.join(' '))}`);
  },
};

function list(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const { data } = await client.call('GET /workers', {});
    for (const worker of data) call.output.document(worker);
    const rows = data.map((one) => [
      one.workerId,
      one.pool,
      one.draining ? 'draining' : one.drainAsked ? 'asked to drain' : 'ready',
      `${one.busy}/${one.slots}`,
      `${(one.heartbeatAgeMs / 1_000).toFixed(1)} s`,
      one.coreVersion,
      one.pod ?? one.node,
    ]);
    if (rows.length === 0) call.output.line('No host is alive: nothing is being worked on.');
    else for (const line of table(['host', 'pool', 'state', 'busy', 'heartbeat', 'core', 'where'], rows)) call.output.line(line);
    return exitCodes.done;
  });
}

function drain(call: CommandCall, workerId: string): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const reason = textFlag(call.flags, 'reason');
    const answer = await client.call('POST /workers/{workerId}/drain', { params: { workerId }, body: reason === undefined ? {} : { reason } });
    call.output.document(answer);
    call.output.line(`${workerId} was asked to drain: it ends or hands back what it has in hand, and leaves.`);
    return exitCodes.done;
  });
}
