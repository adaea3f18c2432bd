/** `millrace ops [ls|show|watch|pause|resume|abort|rate] [OP]`: operations of a server, or of a directory, read from and written to its journal. */
import type { Journal } from '@millrace/journal';
import { type Operation, steeredOperation } from '@millrace/protocol';
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { defaultSlots, startLocalStack } from '../local-stack.ts';
import { namesDirectory } from '../place.ts';
import { asCommandError, describeOperation, followOperation, readRate, reportOperation } from '../redrive-operation.ts';
import { findStack } from '../running-stack.ts';
import { type Act, listOperations, showOperation, steerOperation, watchOperation } from '../server/operations.ts';
import { limitFlag } from '../server/paged.ts';
import { serverFlags } from '../server/server-call.ts';
import { placesOf } from './redrive.ts';
import { explained } from './run.ts';

const acts: readonly string[] = ['pause', 'resume', 'abort', 'rate'] satisfies readonly Act[];
const verbs = ['ls', 'show', 'watch', ...acts];

export const ops: Command = {
  name: 'ops',
  synopsis: '[ls] [DIR | FILTER]   |   show|watch|pause|resume|abort [DIR] OP   |   rate [DIR] OP N',
  help: 'Lists operations (redrives, replays, waivers), shows one with what it did not do, follows it, or steers it; OP may be @last. What was requeued stays so. Of a directory: a change is durable at once, a `redrive` at work there follows it, and `resume` and `abort` do the work themselves where none is.',
  flags: {
    reason: { type: 'string', value: 'TEXT', help: 'why, for the record' },
    workers: { type: 'string', value: 'N', help: 'of a directory: cores that work at once (as many as fit)' },
    ...limitFlag,
    ...serverFlags,
  },
  reads: ([verb]) => verb !== 'watch' && !(verb !== undefined && acts.includes(verb)),
  run: (call) => {
    const [first, ...rest] = call.args;
    const isVerb = first !== undefined && verbs.includes(first);
    const [verb, next] = isVerb ? [first, { ...call, args: rest }] : ['ls', call];
    if (!isVerb && first !== undefined && !namesDirectory(first) && !first.includes(':'))
      throw new CommandError(exitCodes.usage, `expected ${verbs.join(', ')} or a filter, got ${JSON.stringify(first)}`);
    return namesDirectory(next.args[0]) ? inDirectory(verb, next) : onServer(verb, next);
  },
};

function inDirectory(verb: string, call: CommandCall): Promise<ExitCode> {
  if (verb === 'ls') return list(call);
  if (verb === 'show') return show(call);
  if (verb === 'watch') throw new CommandError(exitCodes.usage, 'the `redrive` at work in a directory tells how it goes; `ops show` says how it stands');
  return steer(verb as Act, call);
}

function onServer(verb: string, call: CommandCall): Promise<ExitCode> {
  if (verb === 'ls') return listOperations(call);
  if (verb === 'show') return showOperation(call);
  return verb === 'watch' ? watchOperation(call) : steerOperation(verb as Act, call);
}

async function list(call: CommandCall): Promise<ExitCode> {
  const found = await withJob(call.args[0], async ({ journal }) => readOperations(journal));
  for (const operation of found) {
    call.output.document(operation);
    for (const line of describeOperation(operation)) call.output.line(line);
  }
  if (found.length === 0) call.output.say('No operation.');
  return exitCodes.done;
}

/** Newest first. */
async function readOperations(journal: Journal): Promise<Operation[]> {
  const operations: Operation[] = [];
  for await (const name of journal.listRegistered('operations')) {
    const stored = await journal.readRegistered('operations', name);
    if (stored !== null) operations.push(stored.body);
  }
  return operations.reverse();
}

async function show(call: CommandCall): Promise<ExitCode> {
  const operation = await withJob(call.args[0], ({ journal }) => readOperation(journal, call.args[1]));
  call.output.document(operation);
  for (const line of describeOperation(operation)) call.output.line(line);
  for (const { name, jobId, counts, why } of operation.jobs) {
    call.output.line(`  ${name}  ${jobId}  ${counts.resolved} of ${counts.total} resolved${why === null ? '' : `  ${why.message}`}`);
  }
  return exitCodes.done;
}

async function readOperation(journal: Journal, id: string | undefined): Promise<Operation> {
  if (id === undefined) throw new CommandError(exitCodes.usage, 'expected the id of an operation', 'See `millrace ops ls DIR`.');
  const operations = await readOperations(journal);
  const found = id === '@last' ? operations[0] : operations.find(({ operationId }) => operationId === id);
  if (found === undefined) throw new CommandError(exitCodes.notFound, `no operation ${id}`, 'See `millrace ops ls DIR`.');
  return found;
}

async function steer(act: Act, call: CommandCall): Promise<ExitCode> {
  const rate = act === 'rate' ? readRate(call.args[2]) : null;
  const reason = textFlag(call.flags, 'reason') ?? '';
  const changed = await withJob(call.args[0], async ({ journal }) => {
    const { operationId } = await readOperation(journal, call.args[1]);
    return change(journal, operationId, act, { rate, by: 'cli', reason });
  });
  const places = await placesOf(call.args[0]);
  if ((act === 'resume' || act === 'abort') && findStack(places.directory) === null) return carryOut(call, changed.operationId);
  call.output.document({ type: 'operation', operation: changed });
  for (const line of describeOperation(changed)) call.output.line(line);
  return exitCodes.done;
}

async function change(journal: Journal, operationId: string, act: Act, ask: { rate: number | null; by: string; reason: string }): Promise<Operation> {
  const result = await journal.changeRegistered<'operations', string>('operations', operationId, (current) => {
    if (current === null) return { refuse: 'it is gone' };
    // Of one that was aborted and not carried to its end the abort may be asked for again.
    if (act === 'abort' && current.body.state === 'aborted' && current.body.endedAt === null) return { put: { ...head(ask), body: current.body } };
    const steered = steeredOperation(current.body, act, ask);
    return 'refused' in steered ? { refuse: steered.refused } : { put: { ...head(ask), body: steered } };
  });
  if ('refused' in result) throw new CommandError(exitCodes.conflict, `cannot ${act} ${operationId}: ${result.refused}`);
  return result.changed.body;
}

const head = ({ by, reason }: { by: string; reason: string }) => ({ at: new Date().toISOString(), by, reason });

/** Starts what a redrive starts and follows the operation from where it stands. */
async function carryOut(call: CommandCall, operationId: string): Promise<ExitCode> {
  const { directory, readRoots, writeRoots } = await placesOf(call.args[0]);
  const local = await startLocalStack({ directory, readRoots, writeRoots, hostSlots: [Number(textFlag(call.flags, 'workers') ?? defaultSlots())] });
  try {
    const operation = await Promise.race([followOperation(call, local.producer, operationId), local.failed]);
    const exitCode = reportOperation(call, operation, call.args[0] ?? directory);
    // Giving up was what was asked for.
    return operation.state === 'aborted' ? exitCodes.done : exitCode;
  } catch (error) {
    throw explained(asCommandError(error));
  } finally {
    await local.stop();
  }
}
