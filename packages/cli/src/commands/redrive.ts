/** `millrace redrive`: puts dead work back, on a server or, with the same machinery as `run`, in a directory. */

import { dirname, resolve } from 'node:path';
import type { JobView } from '@millrace/journal';
import { filePath, letterFields, manifestCount } from '@millrace/protocol';
import { type Command, type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { assertCanConfirm, confirmed } from '../confirm.ts';
import { type Directory, withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { followJob } from '../follow-job.ts';
import { defaultSlots, startLocalStack } from '../local-stack.ts';
import { namesDirectory } from '../place.ts';
import { readFilter } from '../read-filter.ts';
import { asCommandError, describePlan, followOperation, overridesOf, paceOf, planned, reportOperation, startQuestion } from '../redrive-operation.ts';
import { redriveOnServer } from '../server/redrive.ts';
import { serverFlags } from '../server/server-call.ts';
import { readLetters } from './dead.ts';
import { explained } from './run.ts';

export const redrive: Command = {
  name: 'redrive',
  synopsis: '[JOB | DIR] [CHUNK… | FILTER] [--dry-run] [--canary N] [--rate N] [--set PATH=VALUE]… [--wait]   |   FINGERPRINT   |   --plan ID',
  help: 'Puts dead work back as the next generation of its job; committed chunks stay. On a server: the dead letters of a job, of an error group, or those that match a FILTER (`code:STORAGE_* -file:old*`); of a job that failed or was cancelled every chunk without a receipt. What would run is frozen, counted, shown and asked for first. In a directory that `run` wrote the work is done here; there every chunk without a receipt or the named ones (`clean.227`) run at once, and a FILTER, a canary, a rate or --set makes it an operation: of a job that failed or was cancelled, without a FILTER, over every chunk without a receipt, so that a larger budget (`--set rejects.maxRows=5000`) goes on where the job stopped.',
  flags: {
    'dry-run': { type: 'boolean', help: 'only freeze and say what would run' },
    plan: { type: 'string', value: 'ID', help: 'start what a --dry-run has frozen' },
    canary: { type: 'string', value: 'N', help: 'run N first; the rest follows if 80 % of them are resolved (20 of more than 100; 0: none)' },
    rate: { type: 'string', value: 'N', help: 'items a second' },
    set: { type: 'string', multiple: true, value: 'PATH=VALUE', help: 'change a place of the spec, such as execution.maxAttempts=8' },
    wait: { type: 'boolean', help: 'follow it to its end; the exit code says whether all were resolved (a directory: always)' },
    workers: { type: 'string', value: 'N', help: 'of a directory: cores that work at once (as many as fit)' },
    reason: { type: 'string', value: 'TEXT', help: 'why, for the record' },
    ...serverFlags,
  },
  run: async (call) => {
    if (!namesDirectory(call.args[0])) return redriveOnServer(call);
    if (textFlag(call.flags, 'plan') !== undefined) throw new CommandError(exitCodes.usage, 'plans of a directory end with the command that made them');
    if (isOperation(call)) return operate(call);
    const plan = await planRedrive(call);
    call.output.document({ type: 'plan', ...plan });
    call.output.say(`${plan.open} chunks without a receipt, ${plan.letters.length} dead letters among them, in generation ${plan.generation}.`);
    if (isSet(call.flags, 'dry-run')) {
      for (const letter of plan.letters) call.output.line(`${letter.chunk}  ${letter.code}`);
      return exitCodes.done;
    }
    return start(call, plan);
  },
};

/** Chunks by name and nothing that only an operation can do: the whole of them at once. */
function isOperation({ args, flags }: CommandCall): boolean {
  const names = args.slice(1);
  return names.some((name) => !/^[a-z][a-z0-9]{0,31}\.\d+$/.test(name)) || ['canary', 'rate', 'set'].some((flag) => flags[flag] !== undefined);
}

export async function operate(call: CommandCall, verb: 'redrive' | 'waive' = 'redrive'): Promise<ExitCode> {
  const { places, state } = await withJob(call.args[0], async (found, view) => ({ places: await placesOfJob(found, view), state: endStateOf(view) }));
  const { jobId, directory, readRoots, writeRoots } = places;
  readFilter(call.args.slice(1).join(' '), letterFields);
  const filter = `job:${jobId} ${call.args.slice(1).map(asTerm).join(' ')}`;
  // As on a server: a job that failed or was cancelled is taken up as a whole, where nobody says what of it.
  const isWhole = call.args.length === 1 && (state === 'failed' || state === 'cancelled');
  const redriven = { ...(isWhole ? { target: 'jobs' as const, ids: [jobId] } : { filter }), overrides: overridesOf(call) };
  const what = verb === 'waive' ? { filter, target: 'waiveDeadLetters' as const } : redriven;
  const isDry = isSet(call.flags, 'dry-run');
  if (!isDry) assertCanConfirm(call);
  const hostSlots = isDry ? [] : [Number(textFlag(call.flags, 'workers') ?? defaultSlots())];
  const local = await startLocalStack({ directory, readRoots, writeRoots, hostSlots });
  try {
    const plan = await Promise.race([planned(local.producer, what, call), local.failed]);
    call.output.document({ type: 'plan', plan });
    for (const line of describePlan(plan, verb)) call.output.line(line);
    if (isDry) return exitCodes.done;
    if (!(await confirmed(call, startQuestion(plan, verb), plan.confirm))) return exitCodes.needsConfirmation;
    const { planId, confirm } = plan;
    const reason = textFlag(call.flags, 'reason') ?? verb;
    const { operationId } = await local.producer.redrives.start({ planId, confirm, reason, ...paceOf(call) });
    const operation = await Promise.race([followOperation(call, local.producer, operationId), local.failed]);
    return reportOperation(call, operation, call.args[0] ?? directory);
  } catch (error) {
    throw explained(asCommandError(error));
  } finally {
    await local.stop();
  }
}

/** A chunk by its name stays one beside other terms. */
const asTerm = (term: string): string => (/^[a-z][a-z0-9]{0,31}\.\d+$/.test(term) ? `id:${term}` : term);

export interface StackPlaces {
  readonly jobId: string;
  readonly directory: string;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
}

/** Where the job of a directory reads and writes. */
export async function placesOf(out: string | undefined): Promise<StackPlaces> {
  return withJob(out, (directory, view) => placesOfJob(directory, view));
}

/** Null while the newest generation has not ended. */
const endStateOf = (view: JobView): string | null => view.manifests.find(({ generation }) => generation === view.generation)?.state ?? null;

async function placesOfJob(directory: Directory, view: JobView): Promise<StackPlaces> {
  const { jobId, spec } = view.job.record;
  const roots = new Set<string>();
  for await (const { uri } of directory.journal.listInputFiles(jobId)) if (uri.startsWith('file:')) roots.add(dirname(resolve(filePath(uri))));
  const rejects = spec.rejects.uri === undefined || spec.rejects.uri === null ? [] : [resolve(filePath(spec.rejects.uri))];
  return { jobId, directory: directory.path, readRoots: [...roots], writeRoots: [directory.path, ...rejects] };
}

interface RedrivePlan extends StackPlaces {
  readonly generation: number;
  readonly open: number;
  readonly letters: readonly { readonly chunk: string; readonly code: string }[];
}

async function planRedrive(call: CommandCall): Promise<RedrivePlan> {
  return withJob(call.args[0], async (directory, view) => {
    const manifest = view.manifests.find(({ generation }) => generation === view.generation);
    if (manifest === undefined) throw new CommandError(exitCodes.conflict, 'the job has not ended', 'Run the same `millrace run` again: it continues.');
    if (manifest.state === 'completed' && manifestCount(manifest, 'gaps') === 0)
      throw new CommandError(exitCodes.conflict, 'the job is completed and has no gap: nothing to redrive');
    const letters = (await readLetters(directory, view))
      .filter(({ state }) => state === 'open')
      .map(({ letter }) => ({ chunk: `${letter.stage}.${letter.chunk}`, code: letter.code }));
    const open = manifest.chunks.dead + manifest.chunks.open;
    return { ...(await placesOfJob(directory, view)), generation: view.generation, open, letters };
  });
}

async function start(call: CommandCall, plan: RedrivePlan): Promise<ExitCode> {
  const select = call.args.slice(1);
  const unknown = select.filter((name) => !plan.letters.some(({ chunk }) => chunk === name));
  if (unknown.length > 0) throw new CommandError(exitCodes.notFound, `no open dead letter ${unknown.join(', ')}`);
  const { directory, readRoots, writeRoots } = plan;
  const local = await startLocalStack({ directory, readRoots, writeRoots, hostSlots: [Number(textFlag(call.flags, 'workers') ?? defaultSlots())] });
  try {
    const handle = local.producer.job(plan.jobId);
    const reason = textFlag(call.flags, 'reason') ?? 'redrive';
    const opened = await Promise.race([handle.redrive(reason, select.length === 0 ? {} : { select }), local.failed]);
    call.output.say(`Generation ${opened.generation}: ${opened.chunks} chunks.`);
    const status = await Promise.race([followJob(call, handle, { generation: opened.generation, directory, readRoots }), local.failed]);
    call.output.document({ type: 'result', status });
    call.output.line(
      `${status.state} as generation ${status.generation}${status.failure === null ? '' : `: ${status.failure.code}: ${status.failure.message}`}`,
    );
    return status.state === 'completed' ? exitCodes.done : exitCodes.jobFailed;
  } catch (error) {
    throw explained(error);
  } finally {
    await local.stop();
  }
}
