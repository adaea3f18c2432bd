/** `millrace ops ls|show|pause|resume|abort|rate DIR [OP]`: operations of a directory, read from and written to its journal. */
import type { Journal } from '@millrace/journal';
import { type Operation, steeredOperation } from '@millrace/protocol';
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { defaultSlots, startLocalStack } from '../local-stack.ts';
import { asCommandError, describeOperation, followOperation, reportOperation } from '../redrive-operation.ts';
import { findStack } from '../running-stack.ts';
import { placesOf } from './redrive.ts';
import { explained } from './run.ts';

type Act = 'pause' | 'resume' | 'abort' | 'rate';
const acts: readonly string[] = ['pause', 'resume', 'abort', 'rate'] satisfies readonly Act[];

export const ops: Command = {
  name: 'ops',
  synopsis: 'ls DIR   |   show DIR OP   |   pause|resume|abort DIR OP   |   rate DIR OP N',
  help: 'Lists the operations of a directory, shows one, or steers it. A change is durable at once; a `redrive` at work in the directory follows it, and `resume` and `abort` do the work themselves where none is.',
  flags: {
    reason: { type: 'string', value: 'TEXT', help: 'why, for the record' },
    workers: { type: 'string', value: 'N', help: 'cores that work at once (as many as fit)' },
  },
  run: (call) => {
    const [verb, ...rest] = call.args;
    const next = { ...call, args: rest };
    if (verb === 'ls') return list(next);
    if (verb === 'show') return show(next);
    if (verb !== undefined && acts.includes(verb)) return steer(verb as Act, next);
    throw new CommandError(exitCodes.usage, `expected ls, show, pause, resume, abort or rate, got ${JSON.stringify(verb ?? '')}`);
  },
};

async function list(call: CommandCall): Promise<ExitCode> {
  const found = await withJob(call.args[0], async ({ journal }) => readOperations(journal));
  for (const operation of found) {
    call.output.document(operation);
    for (const line of describeOperation(operation)) call.output.line(line);
  }
  if (found.length === 0) call.output.line('No operation.');
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

function readRate(text: string | undefined): number {
  if (text !== undefined && /^\d{1,6}$/.test(text) && Number(text) > 0) return Number(text);
  throw new CommandError(exitCodes.usage, `expected items a second, got ${JSON.stringify(text ?? '')}`);
}

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
