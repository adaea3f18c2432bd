/** Chunks of a job on a server, and the attempts at one. */
import type { AttemptRow } from '@millrace/api-contract';
import type { Client, DataOf } from '@millrace/api-contract/client';
import { attemptDifferences } from '@millrace/protocol';
import { type CommandCall, isSet } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { attemptOfServer, describeAttempt } from '../describe-attempt.ts';
import { describeDifference, pairIn } from '../describe-difference.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { isJobRef, jobIdOf, parsePart, serverFilter, splitRef } from './job-ref.ts';
import { pagesOf, printList } from './paged.ts';
import { withServer } from './server-call.ts';
import { baseName } from './table.ts';

type Chunk = DataOf<'GET /jobs/{jobId}/chunks'>['data'][number];

export function listServerChunks(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const { ref, terms } = splitRef(call.args);
    const jobId = await jobIdOf(ref, client);
    const q = await serverFilter(terms, client);
    const { shown } = await printList(call, (page) => client.call('GET /jobs/{jobId}/chunks', { params: { jobId }, query: { q, ...page } }), {
      header: chunkHeader,
      row: chunkRow,
      none: q === '' ? 'No chunk is planned yet.' : `No chunk of ${jobId} matches ${q}.`,
    });
    if (shown > 0) call.output.say(`One of them: millrace attempts ${jobId}.STAGE.N`);
    return exitCodes.done;
  });
}

export const chunkHeader = ['chunk', 'state', 'generation', 'records', 'bytes', 'rejects', 'failed', 'code', 'file', 'from byte'] as const;

const chunkRow = (one: Chunk) => [
  `${one.stage}.${one.index}`,
  one.state,
  one.generation,
  one.records,
  one.bytes,
  one.rejects,
  one.attempts,
  one.code,
  one.uri === null ? (one.files > 1 ? `${one.files} files` : null) : baseName(one.uri),
  one.start,
];

export function showServerAttempts(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const { params, rest } = await chunkIn(call, client);
    const rows: AttemptRow[] = [];
    const query = { content: isSet(call.flags, 'content') };
    const ask = (page: { limit: number; cursor?: string }) =>
      client.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', { params, query: { ...query, ...page } });
    for await (const { items } of pagesOf(Number.POSITIVE_INFINITY, ask)) rows.push(...items);
    if (isSet(call.flags, 'diff')) return showDifference(call, rows, rest);
    for (const [index, row] of rows.entries()) {
      call.output.document(row);
      for (const line of describeAttempt(index + 1, attemptOfServer(row))) call.output.line(line);
    }
    if (rows.length === 0) call.output.say('No attempt has been made yet.');
    return exitCodes.done;
  });
}

async function chunkIn(call: CommandCall, client: Client) {
  const [first, second, ...behind] = call.args;
  const [ref, name, rest] = isJobRef(first) ? [first, second, behind] : [undefined, first, call.args.slice(1)];
  const part = parsePart(name);
  if (part === null)
    throw new CommandError(exitCodes.usage, `expected a chunk such as clean.227, got ${JSON.stringify(name ?? '')}`, 'See `millrace chunks JOB`.');
  const jobId = part.job ?? (await jobIdOf(ref, client));
  return { params: { jobId: jobId as never, stage: part.stage, index: part.index }, rest };
}

function showDifference(call: CommandCall, rows: readonly AttemptRow[], numbers: readonly string[]): ExitCode {
  const recorded = rows.filter(({ failure }) => failure !== null);
  const [earlier, later] = pairIn(recorded, numbers);
  const differences = attemptDifferences(flat(earlier), flat(later));
  call.output.document({ earlier: earlier.attemptId, later: later.attemptId, differences });
  for (const line of describeDifference(earlier, later, differences)) call.output.line(line);
  return exitCodes.done;
}

const flat = ({ failure, ...attempt }: AttemptRow) => ({ ...attempt, ...failure });
