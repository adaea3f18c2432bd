/** `millrace schedules [ls | show|fire|pause|resume|rm NAME]`: the schedules of a server. `submit` of a spec with `schedule` makes and changes them. */
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { assertCanConfirm, confirmed } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type Session, serverFlags, withServer } from '../server/server-call.ts';
import { table } from '../server/table.ts';

const words = ['fire', 'pause', 'resume'] as const;
type Word = (typeof words)[number];
const isWord = (verb: string): verb is Word => (words as readonly string[]).includes(verb);

export const schedules: Command = {
  name: 'schedules',
  synopsis: '[ls]   |   show|fire|pause|resume|rm NAME [--reason TEXT]',
  help: 'Lists schedules with their next fires, shows the last runs of one, fires it now, pauses it, or takes it out. `millrace submit` of a spec with `schedule` makes one.',
  flags: { reason: { type: 'string', value: 'TEXT', help: 'why, for the record' }, ...serverFlags },
  reads: ([verb]) => verb === undefined || verb === 'ls' || verb === 'show',
  run: (call) => {
    const [verb = 'ls', name, ...rest] = call.args;
    if (verb === 'ls' && name === undefined) return withServer(call, (session) => list(call, session));
    if (name === undefined || rest.length > 0 || !(verb === 'show' || verb === 'rm' || isWord(verb))) {
      throw new CommandError(exitCodes.usage, `expected ls, or show, fire, pause, resume or rm with a NAME, got ${JSON.stringify(call.args.join(' '))}`);
    }
    if (verb === 'show') return withServer(call, (session) => show(call, name, session));
    if (verb === 'rm') return withServer(call, (session) => remove(call, name, session));
    return withServer(call, (session) => steer(call, verb, name, session));
  },
};

async function list(call: CommandCall, { client }: Session): Promise<ExitCode> {
  const { data } = await client.call('GET /schedules', {});
  for (const schedule of data) call.output.document(schedule);
  const rows = data.map((one) => [one.name, one.cron, one.timezone, one.paused ? 'paused' : (one.next[0] ?? 'over'), one.runs[0]?.outcome ?? '', one.missed]);
  if (rows.length === 0) call.output.line('No schedule. `millrace submit` a spec with `schedule: { cron: … }`.');
  else for (const line of table(['schedule', 'cron', 'zone', 'next (UTC)', 'last', 'missed'], rows)) call.output.line(line);
  return exitCodes.done;
}

async function show(call: CommandCall, name: string, { client }: Session): Promise<ExitCode> {
  const one = await client.call('GET /schedules/{name}', { params: { name } });
  call.output.document(one);
  call.output.line(
    `${one.name}  ${one.cron} ${one.timezone}  ${one.paused ? 'paused' : 'active'}, overlap ${one.overlap}, version ${one.version} by ${one.changedBy}`,
  );
  for (const at of one.next) call.output.line(`  next  ${at}`);
  for (const run of one.runs) call.output.line(`  ${run.at}  ${run.outcome}  ${run.jobId ?? ''}  ${run.jobState ?? ''}  ${run.message ?? ''}`.trimEnd());
  return exitCodes.done;
}

async function steer(call: CommandCall, word: Word, name: string, { client }: Session): Promise<ExitCode> {
  const answer = await client.call(`POST /schedules/{name}/${word}`, { params: { name }, body: { reason: textFlag(call.flags, 'reason') ?? '' } });
  call.output.document(answer);
  call.output.line(word === 'fire' ? `${name} fires now.` : word === 'pause' ? `${name} is paused: no fire until it is resumed.` : `${name} goes on.`);
  return exitCodes.done;
}

async function remove(call: CommandCall, name: string, { client }: Session): Promise<ExitCode> {
  assertCanConfirm(call);
  const { etag } = await client.reply('GET /schedules/{name}', { params: { name } });
  if (!(await confirmed(call, `Schedule ${name} is taken out; jobs that it made stay`, 1))) return exitCodes.conflict;
  await client.call('DELETE /schedules/{name}', { params: { name } }, etag === null ? {} : { ifMatch: etag });
  call.output.line(`${name} is taken out.`);
  return exitCodes.done;
}
