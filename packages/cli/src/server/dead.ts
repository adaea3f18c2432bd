/** Dead letters of a server: the inbox over all jobs, and one with every attempt. */
import type { Client, DataOf } from '@millrace/api-contract/client';
import { type CommandCall, isSet } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { attemptOfServer, describeAttempt } from '../describe-attempt.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, size } from '../output.ts';
import { isJobRef, jobIdOf, parsePart, serverFilter } from './job-ref.ts';
import { printList } from './paged.ts';
import { withServer } from './server-call.ts';
import { at, baseName, visible } from './table.ts';

type Letter = DataOf<'GET /dead-letters/{deadLetterId}'>;

export function listLetters(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const q = await serverFilter(call.args, client);
    const { shown, total } = await printList(call, (page) => client.call('GET /dead-letters', { query: { q, ...page } }), {
      header: ['dead letter', 'code', 'class', 'attempts', 'size', 'died (UTC)', 'job', 'file'],
      row: (one) => [
        one.deadLetterId,
        one.code,
        one.class,
        one.attempts,
        size(one.bytes),
        at(one.diedAt),
        one.jobName,
        one.uri === null ? null : baseName(one.uri),
      ],
      none: q === '' ? 'No dead letter is open.' : `No open dead letter matches ${q}.`,
    });
    if (shown > 0) {
      call.output.say(`${count(total ?? shown)} open. One of them: millrace dead show ID      By cause: millrace errors`);
      call.output.say(`Put back what this list shows: millrace redrive '${q === '' ? 'state:open' : q}' --dry-run`);
    }
    return exitCodes.done;
  });
}

export function showLetter(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const deadLetterId = await letterIn(call, client);
    const letter = await client.call('GET /dead-letters/{deadLetterId}', { params: { deadLetterId }, query: { content: isSet(call.flags, 'content') } });
    call.output.document(letter);
    for (const line of describeLetter(letter)) call.output.line(line);
    if (letter.redrivable)
      call.output.say(`Put it back: millrace redrive ${letter.deadLetterId}      Accept the gap: millrace waive ${letter.deadLetterId} --reason TEXT`);
    return exitCodes.done;
  });
}

/** The whole id as it is; a chunk alone stands for its open dead letter. */
async function letterIn(call: CommandCall, client: Client): Promise<string> {
  const [first, second] = call.args;
  const [ref, name] = isJobRef(first) && second !== undefined ? [first, second] : [undefined, first];
  const part = parsePart(name);
  if (part === null || part.tail?.startsWith('r')) {
    throw new CommandError(exitCodes.usage, `expected a dead letter such as clean.227.1, got ${JSON.stringify(name ?? '')}`, 'See `millrace dead ls`.');
  }
  const jobId = part.job ?? (await jobIdOf(ref, client));
  const chunk = `${jobId}.${part.stage}.${part.index}`;
  if (part.tail !== null) return `${chunk}.${part.tail}`;
  const [found] = (await client.call('GET /dead-letters', { query: { q: `id:${chunk}.*`, limit: 1 } })).data;
  if (found !== undefined) return found.deadLetterId;
  throw new CommandError(exitCodes.notFound, `no dead letter of ${chunk} is open`, 'See `millrace dead ls`.');
}

function describeLetter(letter: Letter): string[] {
  const { deadLetterId, state, code, jobName, reason, hint, uri, start, end, waiver, notRedrivable } = letter;
  const lines = [`${deadLetterId}  ${state}  ${code} (${letter.class})  ${jobName}`, `  ${visible(letter.message)}`, `  why dead: ${reason}`];
  if (hint !== '') lines.push(`  hint: ${hint}`);
  if (uri !== null && start !== null && end !== null) lines.push(`  ${visible(uri)} bytes ${count(start)}–${count(end)} (${size(end - start)})`);
  if (waiver !== null) lines.push(`  waived by ${waiver.by} at ${at(waiver.at)}: ${visible(waiver.reason)}`);
  else if (notRedrivable !== null) lines.push(`  no redrive takes it: ${notRedrivable}`);
  const said = new Set([letter.message, `hint: ${hint}`]);
  for (const [index, attempt] of letter.attempts.entries()) {
    const own = describeAttempt(index + 1, attemptOfServer(attempt)).filter((line) => !said.has(line.trim()));
    lines.push(...own.map((line) => `  ${line}`));
  }
  return lines;
}
