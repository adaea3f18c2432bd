/** `millrace redrive DIR`: reopens a failed job as its next generation, with the same machinery as `run`. */

import { dirname, resolve } from 'node:path';
import { filePath } from '@millrace/protocol';
import { type Command, type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { followJob } from '../follow-job.ts';
import { defaultSlots, startLocalStack } from '../local-stack.ts';
import { readLetters } from './dead.ts';
import { explained } from './run.ts';

export const redrive: Command = {
  name: 'redrive',
  synopsis: 'DIR [CHUNK…] [--dry-run] [--workers N]',
  help: 'Puts dead work back as the next generation of its job: every chunk without a receipt, or the named ones (`clean.227`). Committed chunks stay.',
  flags: {
    'dry-run': { type: 'boolean', help: 'only say what would run' },
    workers: { type: 'string', value: 'N', help: 'cores that work at once (as many as fit)' },
    reason: { type: 'string', value: 'TEXT', help: 'why, for the record' },
  },
  run: async (call) => {
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

interface RedrivePlan {
  readonly jobId: string;
  readonly generation: number;
  readonly open: number;
  readonly letters: readonly { readonly chunk: string; readonly code: string }[];
  readonly directory: string;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
}

async function planRedrive(call: CommandCall): Promise<RedrivePlan> {
  return withJob(call.args[0], async (directory, view) => {
    const manifest = view.manifests.find(({ generation }) => generation === view.generation);
    if (manifest === undefined) throw new CommandError(exitCodes.conflict, 'the job has not ended', 'Run the same `millrace run` again: it continues.');
    if (manifest.state === 'completed' && manifest.gaps.length === 0)
      throw new CommandError(exitCodes.conflict, 'the job is completed and has no gap: nothing to redrive');
    const letters = (await readLetters(directory, view))
      .filter(({ state }) => state === 'open')
      .map(({ letter }) => ({ chunk: `${letter.stage}.${letter.chunk}`, code: letter.code }));
    const { spec } = view.job.record;
    const roots = new Set<string>();
    for await (const { uri } of directory.journal.listInputFiles(view.job.record.jobId)) roots.add(dirname(resolve(filePath(uri))));
    const rejects = spec.rejects.uri === undefined || spec.rejects.uri === null ? [] : [resolve(filePath(spec.rejects.uri))];
    const open = manifest.chunks.dead + manifest.chunks.open;
    return {
      jobId: view.job.record.jobId,
      generation: view.generation,
      open,
      letters,
      directory: directory.path,
      readRoots: [...roots],
      writeRoots: [directory.path, ...rejects],
    };
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
