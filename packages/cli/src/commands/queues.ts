/** `millrace queues [ls | pause NAME | resume NAME]`: the task queues of a server. */
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { serverFlags, withServer } from '../server/server-call.ts';
import { table } from '../server/table.ts';

export const queues: Command = {
  name: 'queues',
  synopsis: '[ls]   |   pause|resume NAME [--reason TEXT]',
  help: 'Lists the task queues with what waits and who takes from them; a paused one hands out nothing until it is resumed.',
  flags: { reason: { type: 'string', value: 'TEXT', help: 'why, for the record' }, ...serverFlags },
  reads: ([verb]) => verb !== 'pause' && verb !== 'resume',
  run: (call) => {
    const [verb = 'ls', name, ...rest] = call.args;
    if (verb === 'ls' && name === undefined) return list(call);
    if ((verb === 'pause' || verb === 'resume') && name !== undefined && rest.length === 0) return setPaused(call, name, verb === 'pause');
    throw new CommandError(exitCodes.usage, `expected ls, pause NAME or resume NAME, got ${JSON.stringify(call.args.join(' '))}`);
  },
};

function list(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const { data } = await client.call('GET /queues', {});
    for (const queue of data) call.output.document(queue);
    const rows = data.map((one) => [
      one.name,
      one.paused ? 'paused' : 'open',
      one.waiting,
      one.active,
      one.consumers,
      one.oldestEnqueuedAt ?? '',
      one.setting?.reason ?? '',
    ]);
    for (const line of table(['queue', 'state', 'waiting', 'in hand', 'hosts', 'oldest', 'why'], rows)) call.output.line(line);
    return exitCodes.done;
  });
}

function setPaused(call: CommandCall, name: string, paused: boolean): Promise<ExitCode> {
  const reason = textFlag(call.flags, 'reason');
  if (reason === undefined) throw new CommandError(exitCodes.usage, 'expected why: others will find the queue like this', 'Add --reason TEXT.');
  return withServer(call, async ({ client }) => {
    const { etag } = await client.reply('GET /queues/{name}', { params: { name } });
    const body = { paused, reason };
    const queue = await client.call('PATCH /queues/{name}', { params: { name }, body }, etag === null ? {} : { ifMatch: etag });
    call.output.document(queue);
    call.output.line(`${name} is ${queue.paused ? 'paused: nothing is taken from it until `millrace queues resume`' : 'open'}.`);
    return exitCodes.done;
  });
}
