import { isFullyPlanned as isPlanned, type JobView, type PlanView } from '@millrace/journal';
import { type JobStage, jobStages, type ManifestStage, manifestCount } from '@millrace/protocol';
import { type Command, isSet } from '../command.ts';
import { type Directory, withJob } from '../directory.ts';
import { exitCodes } from '../exit-codes.ts';
import { firstRejects } from '../read-rejects.ts';
import { describeEvidence, describeManifest, describePins, filesOf } from '../run-report.ts';
import { isJobRef } from '../server/job-ref.ts';
import { serverFlags } from '../server/server-call.ts';
import { showOnServer } from '../server/show.ts';

/** `millrace show JOB`: one job with its balance, budgets, rejects and errors, as a server tells it; of a directory from its journal alone. */
export const show: Command = {
  name: 'show',
  synopsis: 'DIR | JOB',
  help: 'Shows a job: state and what it waits for, balance, budgets, rejects by code, failures by cause. JOB is an id or @last; of a directory that `run` wrote also what was detected.',
  flags: { evidence: { type: 'boolean', help: 'of a directory: also why each detected value is what it is' }, ...serverFlags },
  reads: () => true,
  run: async (call) => {
    if (isJobRef(call.args[0])) return showOnServer(call);
    await withJob(call.args[0], async (directory, view) => {
      const summary = await summarise(directory, view);
      call.output.document(summary);
      for (const line of await describe(directory, view, summary, isSet(call.flags, 'evidence'))) call.output.line(line);
    });
    return exitCodes.done;
  },
};

interface Summary {
  readonly jobId: string;
  readonly name: string;
  readonly state: string;
  readonly generation: number;
  readonly acceptedAt: string;
  readonly inputs: { readonly files: number; readonly bytes: number };
  readonly chunks: { readonly total: number; readonly committed: number; readonly dead: number; readonly open: number };
  readonly sealed: boolean;
  /** With their chunks and balances once the generation has ended. */
  readonly stages: readonly (JobStage | ManifestStage)[];
  readonly balance: unknown;
  readonly byCode: Readonly<Record<string, number>>;
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly outputUri: string;
  readonly rejectsUri: string;
  readonly parts: number;
  readonly generations: readonly { readonly generation: number; readonly state: string; readonly failure: string | null }[];
}

async function summarise({ journal }: Directory, view: JobView): Promise<Summary> {
  const job = view.job.record;
  const manifest = view.manifests.find(({ generation }) => generation === view.generation) ?? null;
  const chunks = manifest?.chunks ?? (await countChunks(journal, view));
  return {
    jobId: job.jobId,
    name: job.name,
    state: manifest?.state ?? 'running',
    generation: view.generation,
    acceptedAt: job.acceptedAt,
    inputs: { files: job.inputFiles, bytes: job.inputBytes },
    chunks,
    sealed: isFullyPlanned(view.plans.at(-1)),
    stages: manifest?.stages ?? jobStages(view.job.record),
    balance: manifest?.balance ?? null,
    byCode: manifest?.byCode ?? {},
    failure: manifest?.failure ?? null,
    outputUri: job.spec.output.uri,
    rejectsUri: job.spec.rejects.uri ?? `${job.spec.output.uri}_rejects/`,
    parts: manifest === null ? 0 : manifestCount(manifest, 'parts'),
    generations: view.manifests.map(({ generation, state, failure }) => ({ generation, state, failure: failure?.code ?? null })),
  };
}

const isFullyPlanned = (plan: PlanView | undefined): boolean => plan !== undefined && isPlanned(plan);

/** Of a job that has not ended: what the verdicts say now. */
async function countChunks(journal: Directory['journal'], view: JobView): Promise<Summary['chunks']> {
  const counts = { total: view.chunks.length, committed: 0, dead: 0, open: 0 };
  for (const chunk of view.chunks) {
    const outcome = (await journal.readOutcome(chunk))?.record.outcome;
    if (outcome === 'committed') counts.committed += 1;
    else if (outcome === 'dead') counts.dead += 1;
    else counts.open += 1;
  }
  return counts;
}

async function describe(directory: Directory, view: JobView, summary: Summary, withEvidence: boolean): Promise<string[]> {
  const lines = [`${summary.name}  ${summary.jobId}  ${summary.state}, generation ${summary.generation}, accepted ${summary.acceptedAt}`];
  for (const [index, pins] of (view.pins?.record.inputs ?? []).entries()) {
    lines.push(...describePins(pins, await filesOf(directory.journal, view.job.record.jobId, index)));
    if (withEvidence) lines.push(...pins.evidence.map((evidence) => `    ${describeEvidence(evidence)}`));
  }
  const { total, committed, dead, open } = summary.chunks;
  lines.push(`  chunks: ${total} planned${summary.sealed ? '' : ' so far'}, ${committed} committed, ${dead} dead, ${open} open`);
  for (const past of summary.generations.slice(0, -1))
    lines.push(`  generation ${past.generation}: ${past.state}${past.failure === null ? '' : ` (${past.failure})`}`);
  const manifest = view.manifests.find(({ generation }) => generation === view.generation);
  if (manifest !== undefined)
    lines.push(...describeManifest(manifest, await firstRejects(directory, view, manifest), { out: summary.outputUri, rejects: summary.rejectsUri }));
  if (dead > 0) lines.push(`See them: millrace dead ls ${directory.path}      Try again: millrace redrive ${directory.path}`);
  return lines;
}
