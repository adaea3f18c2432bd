/** `millrace rejects replay DIR`: reads rejects once more, as they were or as a person corrected them, as the next generation of their job. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EditedExportError, exportShape, type Gathered, gatherCorrections, type JobView, type RejectRow, readEditedExport } from '@millrace/journal';
import { filePath } from '@millrace/protocol';
import { type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Directory, withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { followJob } from '../follow-job.ts';
import { defaultSlots, startLocalStack } from '../local-stack.ts';
import { count } from '../output.ts';
import { explained } from './run.ts';

const MAX_EXPORT_BYTES = 64 << 20;
/** Shown of what cannot be replayed; `--json` has all. */
const SHOWN = 5;

interface ReplayPlan {
  readonly jobId: string;
  readonly generation: number;
  readonly correctionId: string;
  readonly records: number;
  readonly unchanged: number;
  readonly changedCells: Readonly<Record<string, number>>;
  readonly byCode: Readonly<Record<string, number>>;
  readonly cannot: Gathered['cannot'];
  readonly directory: string;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
}

export async function replayRejects(call: CommandCall, matches: (row: RejectRow) => boolean): Promise<ExitCode> {
  const plan = await withJob(call.args[0], (directory, view) => planReplay(call, directory, view, matches));
  const { directory: _, readRoots: _r, writeRoots: _w, ...shown } = plan;
  call.output.document({ type: 'plan', ...shown });
  for (const line of describePlan(plan)) call.output.say(line);
  return isSet(call.flags, 'dry-run') ? exitCodes.done : startReplay(call, plan);
}

async function planReplay(call: CommandCall, directory: Directory, view: JobView, matches: (row: RejectRow) => boolean): Promise<ReplayPlan> {
  const { journal, core, path } = directory;
  const { jobId, spec } = view.job.record;
  const manifest = view.manifests.find(({ generation }) => generation === view.generation);
  if (manifest === undefined) throw new CommandError(exitCodes.conflict, 'the job has not ended', 'Run the same `millrace run` again: it continues.');
  const file = textFlag(call.flags, 'corrections');
  const edited = file === undefined ? null : readCorrections(file, view);
  const gathered = await gatherCorrections(view, journal.listManifest(manifest, 'rejects'), await journal.replayedRejects(view), core, { edited, matches });
  refuseUnknown(gathered, file);
  if (gathered.rejects.length === 0) {
    const [first] = gathered.cannot;
    throw new CommandError(exitCodes.conflict, 'there is no reject to replay', first === undefined ? null : `${first.rejectId}: ${first.reason}`);
  }
  const set = (await journal.putCorrection(jobId, gathered.rejects, { at: new Date().toISOString(), by: 'cli' })).record;
  const roots = new Set<string>();
  for await (const { uri } of journal.listInputFiles(jobId)) roots.add(dirname(resolve(filePath(uri))));
  const rejects = spec.rejects.uri === undefined || spec.rejects.uri === null ? [] : [resolve(filePath(spec.rejects.uri))];
  const { correctionId, records, unchanged, changedCells, byCode } = set;
  const counts = { correctionId, records, unchanged, changedCells, byCode, cannot: gathered.cannot };
  return { jobId, generation: view.generation + 1, ...counts, directory: path, readRoots: [...roots], writeRoots: [path, ...rejects] };
}

function readCorrections(file: string, view: JobView): ReturnType<typeof readEditedExport> {
  try {
    const { size } = statSync(file);
    if (size > MAX_EXPORT_BYTES) throw new CommandError(exitCodes.usage, `${file} has ${count(size)} bytes, over 64 MiB`, 'Export and replay some, by --code.');
    return readEditedExport(readFileSync(file), exportShape(view));
  } catch (error) {
    if (error instanceof EditedExportError) throw new CommandError(exitCodes.usage, `${file}: ${error.message}`, null, { code: error.code });
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new CommandError(exitCodes.notFound, `no such file: ${file}`);
    throw error;
  }
}

function refuseUnknown({ unknown }: Gathered, file: string | undefined): void {
  if (unknown.length === 0) return;
  const some = unknown.slice(0, SHOWN).join(', ');
  throw new CommandError(exitCodes.usage, `${file} names ${unknown.length} rejects that this job does not have: ${some}`, 'Rows are known by _reject_id.', {
    code: 'REJECT_UNKNOWN',
    ids: unknown,
  });
}

function describePlan(plan: ReplayPlan): string[] {
  const cells = Object.entries(plan.changedCells).map(([column, cells]) => `${column} ${count(cells)}`);
  return [
    `${count(plan.records)} rejects are replayed in generation ${plan.generation}: ${count(plan.unchanged)} as they were, ${count(plan.records - plan.unchanged)} corrected.`,
    ...(cells.length === 0 ? [] : [`  changed cells: ${cells.join(', ')}`]),
    ...plan.cannot.slice(0, SHOWN).map(({ rejectId, reason }) => `  not ${rejectId}: ${reason}`),
    ...(plan.cannot.length > SHOWN ? [`  and ${count(plan.cannot.length - SHOWN)} more that cannot be replayed`] : []),
  ];
}

async function startReplay(call: CommandCall, plan: ReplayPlan): Promise<ExitCode> {
  const { directory, readRoots, writeRoots } = plan;
  const local = await startLocalStack({ directory, readRoots, writeRoots, hostSlots: [Number(textFlag(call.flags, 'workers') ?? defaultSlots())] });
  try {
    const handle = local.producer.job(plan.jobId);
    const reason = textFlag(call.flags, 'reason') ?? 'replay';
    const opened = await Promise.race([handle.replay(plan.correctionId, reason), local.failed]);
    const status = await Promise.race([followJob(call, handle, { generation: opened.generation, directory, readRoots }), local.failed]);
    call.output.document({ type: 'result', status });
    const failure = status.failure === null ? '' : `: ${status.failure.code}: ${status.failure.message}`;
    call.output.line(`${status.state} as generation ${status.generation}${failure}; ${count(status.balance.rejected)} rejects are left`);
    return status.state === 'completed' ? exitCodes.done : exitCodes.jobFailed;
  } catch (error) {
    throw explained(error);
  } finally {
    await local.stop();
  }
}
