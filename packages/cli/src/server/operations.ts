/** Operations of a server: what carries out a redrive, a replay or a waiver, a piece at a time, and how people steer it. */
import type { Client, DataOf } from '@millrace/api-contract/client';
import { isOperationOver } from '@millrace/protocol';
import { type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count } from '../output.ts';
import { describeOperation, exitCodeOfOperation, operationLine, readRate } from '../redrive-operation.ts';
import { untilEnd } from './follow-server-job.ts';
import { serverFilter } from './job-ref.ts';
import { printList } from './paged.ts';
import { type Session, withServer } from './server-call.ts';
import { at, visible } from './table.ts';

export type ServerOperation = DataOf<'GET /operations/{operationId}'>;
export type Act = 'pause' | 'resume' | 'abort' | 'rate';

const shownItems = 10;

export function listOperations(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const q = await serverFilter(call.args, client);
    const { shown } = await printList(call, (page) => client.call('GET /operations', { query: { q, ...page } }), {
      header: ['operation', 'does', 'state', 'items', 'resolved', 'failed again', 'skipped', 'started (UTC)', 'by', 'why'],
      row: ({ operationId, does, state, counts, startedAt, by, why, reason }) => [
        operationId,
        does,
        state,
        counts.total,
        counts.resolved,
        counts.failedAgain,
        counts.skipped,
        at(startedAt),
        by,
        why?.message ?? reason,
      ],
      none: q === '' ? 'No operation. `millrace redrive FILTER` starts one.' : `No operation matches ${q}.`,
    });
    if (shown > 0) call.output.say('One of them: millrace ops show OP      Follow it: millrace ops watch OP');
    return exitCodes.done;
  });
}

export function showOperation(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const operation = await readOperation(call.args[0], client);
    call.output.document(operation);
    for (const line of describeServerOperation(operation)) call.output.line(line);
    if (!call.output.json) for (const line of await describeItems(operation, client)) call.output.line(line);
    if (!isOperationOver(operation.state)) sayHowToSteer(call, operation);
    return exitCodes.done;
  });
}

function describeServerOperation(operation: ServerOperation): string[] {
  const lines = describeOperation(operation);
  if (operation.filter !== null) lines.push(`  ${operation.does} of ${visible(operation.filter)}`);
  for (const [path, value] of Object.entries(operation.overrides)) lines.push(`  with ${path} = ${JSON.stringify(value)}`);
  for (const { name, jobId, state, generation, counts, why } of operation.jobs) {
    const trouble = why === null ? '' : `  ${visible(why.message)}`;
    lines.push(`  ${jobId}  ${name}  ${state}, generation ${generation}  ${count(counts.resolved)} of ${count(counts.total)} resolved${trouble}`);
  }
  return lines;
}

/** What was not done, and why. */
async function describeItems({ operationId, counts }: ServerOperation, client: Client): Promise<string[]> {
  const lines: string[] = [];
  for (const [outcome, word, items] of [
    ['failedAgain', 'failed again', counts.failedAgain],
    ['skipped', 'skipped', counts.skipped],
  ] as const) {
    if (items === 0) continue;
    const { data } = await client.call('GET /operations/{operationId}/items', { params: { operationId }, query: { outcome, limit: shownItems } });
    for (const { id, why } of data) lines.push(`  ${word.padEnd(12)}  ${id}${why === null ? '' : `  ${why.code}: ${visible(why.message)}`}`);
    if (items > data.length) lines.push(`  … ${count(items - data.length)} more ${word}`);
  }
  return lines;
}

async function readOperation(id: string | undefined, client: Client): Promise<ServerOperation> {
  if (id !== undefined && id !== '@last') return client.call('GET /operations/{operationId}', { params: { operationId: id as never } });
  const [newest] = (await client.call('GET /operations', { query: { limit: 1 } })).data;
  if (newest === undefined) throw new CommandError(exitCodes.notFound, 'the server has no operation', '`millrace redrive FILTER` starts one.');
  if (id === undefined) throw new CommandError(exitCodes.usage, 'expected the id of an operation, or @last', 'See `millrace ops`.');
  return newest;
}

export function watchOperation(call: CommandCall): Promise<ExitCode> {
  const watch = async (session: Session) => followServerOperation(call, session, (await readOperation(call.args[0], session.client)).operationId);
  return withServer(call, watch, { follows: true });
}

/** Until it is over, and its jobs with it, or until it stands still by itself. The exit code says whether every item was resolved. */
export async function followServerOperation(call: CommandCall, { client, timeoutMs }: Session, operationId: string): Promise<ExitCode> {
  const looked = await untilEnd(call, {
    look: () => client.call('GET /operations/{operationId}', { params: { operationId: operationId as never } }),
    step: (operation) => ({ line: operationLine(operation.counts), state: operation.state, document: { type: 'operation', operation } }),
    isOver: ({ state, endedAt, jobs }) => state === 'paused' || (endedAt !== null && jobs.every((job) => isOver(job.state))),
    timeoutMs,
  });
  if (looked.end === 'over') return tellEnd(call, looked.value);
  const goesOn = `millrace ops watch ${operationId}`;
  if (looked.end === 'late')
    throw new CommandError(exitCodes.timedOut, `${operationId} has not ended within ${(timeoutMs ?? 0) / 1_000} s; it goes on`, goesOn);
  call.output.say(`Detached. The operation goes on: ${goesOn}`);
  return exitCodes.interrupted;
}

const isOver = (state: string): boolean => ['completed', 'failed', 'cancelled'].includes(state);

function tellEnd(call: CommandCall, operation: ServerOperation): ExitCode {
  const exitCode = exitCodeOfOperation(operation);
  call.output.document({ type: 'result', operation, exitCode });
  for (const line of describeServerOperation(operation)) call.output.line(line);
  if (operation.state === 'paused') sayHowToSteer(call, operation);
  else if (exitCode !== exitCodes.done) call.output.say(`What was not done, and why: millrace ops show ${operation.operationId}`);
  return exitCode;
}

function sayHowToSteer(call: CommandCall, { operationId, state }: ServerOperation): void {
  const other = state === 'paused' ? `Go on: millrace ops resume ${operationId}` : `Hold it: millrace ops pause ${operationId}`;
  call.output.say(`${other}      Give up the rest: millrace ops abort ${operationId}      Follow it: millrace ops watch ${operationId}`);
}

const states = { pause: 'paused', resume: 'running', abort: 'aborted' } as const;

export function steerOperation(act: Act, call: CommandCall): Promise<ExitCode> {
  const rate = act === 'rate' ? readRate(call.args[1]) : undefined;
  const reason = textFlag(call.flags, 'reason') ?? '';
  return withServer(call, async ({ client }) => {
    const { operationId } = await readOperation(call.args[0], client);
    const body = { reason, ...(act === 'rate' ? { rate } : { state: states[act] }) };
    const operation = await client.call('PATCH /operations/{operationId}', { params: { operationId: operationId as never }, body });
    call.output.document({ type: 'operation', operation });
    for (const line of describeServerOperation(operation)) call.output.line(line);
    if (!isOperationOver(operation.state)) sayHowToSteer(call, operation);
    return exitCodes.done;
  });
}
