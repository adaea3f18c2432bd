/** Error groups of a server: failures of one cause over all jobs, and what people decide about them. */
import type { DataOf } from '@millrace/api-contract/client';
import { parseDuration } from '@millrace/protocol';
import { type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, counted } from '../output.ts';
import { serverFilter } from './job-ref.ts';
import { printList } from './paged.ts';
import { type Session, withServer } from './server-call.ts';
import { at, visible } from './table.ts';

type Group = DataOf<'GET /errors/{fingerprint}'>;
export type Decision = 'resolve' | 'ignore' | 'reopen' | 'assign' | 'note';

export function listGroups(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const q = await serverFilter(call.args, client);
    const { shown } = await printList(call, (page) => client.call('GET /errors', { query: { q, ...page } }), {
      header: ['error group', 'state', 'code', 'failures', 'dead', 'last seen (UTC)', 'newest message'],
      row: (group) => [group.fingerprint, group.state, group.code, group.failures, group.dead, at(group.lastSeenAt), group.message],
      none: q === '' ? 'Nothing has failed.' : `No error group matches ${q}.`,
    });
    if (shown > 0) call.output.say('One of them: millrace errors show FINGERPRINT      Its dead letters: millrace dead ls fingerprint:FINGERPRINT');
    return exitCodes.done;
  });
}

export function showGroup(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const group = await client.call('GET /errors/{fingerprint}', { params: { fingerprint: fingerprintIn(call) } });
    call.output.document(group);
    for (const line of describeGroup(group)) call.output.line(line);
    const samples = await client.call('GET /errors/{fingerprint}/samples', { params: { fingerprint: group.fingerprint }, query: { limit: 3 } });
    for (const { chunkId, attempt } of samples.data) call.output.line(`  newest  ${at(attempt.endedAt) ?? ''}  millrace attempts ${chunkId}`);
    if (group.dead > 0) call.output.say(`Put them back: millrace redrive ${group.fingerprint} --dry-run`);
    else if (group.state !== 'resolved') call.output.say(`It is cured? millrace errors resolve ${group.fingerprint} --note TEXT`);
    return exitCodes.done;
  });
}

function describeGroup(group: Group): string[] {
  const { fingerprint, state, code, message, hint, failures, dead, firstSeenAt, lastSeenAt, owner, triage, notes, spread } = group;
  const lines = [`${fingerprint}  ${state}  ${code} (${group.class})${owner === null ? '' : `  ${owner} looks after it`}`, `  ${visible(message)}`];
  if (hint !== '') lines.push(`  hint: ${hint}`);
  lines.push(`  ${counted(failures, 'attempt')} failed so, ${counted(dead, 'dead letter')} open; first seen ${at(firstSeenAt)}, last ${at(lastSeenAt)} UTC`);
  for (const job of group.jobs.slice(0, 5)) lines.push(`  job     ${job.jobId}  ${job.name}  ${count(job.failures)} failed, ${count(job.dead)} dead`);
  if (group.jobs.length > 5) lines.push(`          … ${group.jobs.length - 5} more jobs`);
  for (const { uri, start, end } of group.places.slice(0, 5)) lines.push(`  place   ${visible(uri)} bytes ${count(start)}–${count(end)}`);
  const tables = { host: spread.workers, core: spread.coreVersions, file: spread.files, stage: spread.stages };
  for (const [name, rows] of Object.entries(tables)) {
    if (rows.length > 0)
      lines.push(
        `  ${name.padEnd(7)} ${rows
          .slice(0, 5)
          .map((row) => `${visible(row.name)} ${count(row.dead)} dead`)
          .join(', ')}`,
      );
  }
  lines.push(`  one group by ${group.groupedBy.join(', ')}`);
  if (triage !== null)
    lines.push(`  ${triage.state} by ${triage.by} at ${at(triage.at)}${untilText(triage.until)}${triage.note === '' ? '' : `: ${visible(triage.note)}`}`);
  for (const note of notes.slice(-3)) lines.push(`  note    ${at(note.at)} ${note.by}: ${visible(note.text)}`);
  return lines;
}

function untilText(until: NonNullable<Group['triage']>['until']): string {
  if (until?.at != null) return ` until ${at(until.at)}`;
  return until?.failures == null ? '' : ` until ${count(until.failures)} failures`;
}

export function decideOnServer(decision: Decision, call: CommandCall): Promise<ExitCode> {
  const note = textFlag(call.flags, 'note') ?? '';
  const until = untilOf(call, decision);
  return withServer(call, async (session) => {
    const fingerprint = fingerprintIn(call);
    const { etag } = await session.client.reply('GET /errors/{fingerprint}', { params: { fingerprint } });
    const group = await change(decision, { fingerprint, note, until, text: call.args.slice(1).join(' ') }, etag, session);
    call.output.document(group);
    call.output.line(`${fingerprint} is ${group.state}${group.owner === null ? '' : `, ${group.owner} looks after it`}.`);
    return exitCodes.done;
  });
}

interface Asked {
  readonly fingerprint: string;
  readonly note: string;
  readonly until: { readonly at: string | null; readonly failures: number | null } | null;
  /** What stands behind the fingerprint: an owner, a note. */
  readonly text: string;
}

function change(decision: Decision, { fingerprint, note, until, text }: Asked, etag: string | null, { client }: Session): Promise<Group> {
  const params = { fingerprint };
  const options = etag === null ? {} : { ifMatch: etag };
  switch (decision) {
    case 'resolve':
      return client.call('POST /errors/{fingerprint}/resolve', { params, body: { note } }, options);
    case 'reopen':
      return client.call('POST /errors/{fingerprint}/reopen', { params, body: { note } }, options);
    case 'ignore':
      return client.call('POST /errors/{fingerprint}/ignore', { params, body: { note, until } }, options);
    case 'assign':
      return client.call('POST /errors/{fingerprint}/assign', { params, body: { owner: text === '' || text === 'nobody' ? null : text } }, options);
    case 'note':
      if (text === '') throw new CommandError(exitCodes.usage, 'expected the note behind the fingerprint');
      return client.call('POST /errors/{fingerprint}/note', { params, body: { text } }, options);
    default:
      return decision satisfies never;
  }
}

function fingerprintIn(call: CommandCall): string {
  const [fingerprint] = call.args;
  if (fingerprint !== undefined) return fingerprint;
  throw new CommandError(exitCodes.usage, 'expected the fingerprint of an error group', 'See `millrace errors`.');
}

/** `--until` as a time from now, an instant, or a number of failures. */
function untilOf(call: CommandCall, decision: Decision): Asked['until'] {
  const text = textFlag(call.flags, 'until');
  if (text === undefined) return null;
  if (decision !== 'ignore') throw new CommandError(exitCodes.usage, `--until belongs to ignore, not to ${decision}`);
  if (/^\d{1,9}$/.test(text)) return { at: null, failures: Number(text) };
  const ms = parseDuration(text);
  if (ms !== null) return { at: new Date(Date.now() + ms).toISOString(), failures: null };
  const instant = Date.parse(text);
  if (!Number.isNaN(instant)) return { at: new Date(instant).toISOString(), failures: null };
  throw new CommandError(exitCodes.usage, `expected a time (2d), an instant or a number of failures for --until, got ${JSON.stringify(text)}`);
}
