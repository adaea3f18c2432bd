import { isFullyPlanned as isPlanned, type JobView, type PlanView } from '@millrace/journal';
import { type JobStage, jobStages, type ManifestStage, manifestCount } from '@millrace/protocol';
import { type Command, type CommandCall, isSet } from '../command.ts';
import { type Directory, withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { firstRejects } from '../read-rejects.ts';
import { describeEvidence, describeManifest, describePins, filesOf } from '../run-report.ts';
import { describeEnd } from '../server/follow-server-job.ts';
import { isJobRef, jobIdOf } from '../server/job-ref.ts';
import { serverFlags, withServer } from '../server/server-call.ts';

/** `millrace show DIR`: one job with its state, pins, balance, budgets and dead letters, from its journal alone. */
export const show: Command = {
  name: 'show',
  synopsis: 'DIR | JOB',
  help: 'Shows the job of a directory that `run` wrote: state, what was detected, balance, rejects by code, dead letters.',
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

async function showOnServer(call: CommandCall): Promise<ExitCode> {
  return withServer(call, async ({ server, client }) => {
    const jobId = await jobIdOf(call.args[0], client);
    const job = await client.call('GET /jobs/{jobId}', { params: { jobId } });
    call.output.document(job);
    call.output.line(`${job.name}  ${job.jobId}  ${job.state}, generation ${job.generation}, accepted ${job.acceptedAt}      ${server.url}/jobs/${jobId}`);
    if (job.waitingFor !== null) call.output.line(`  waiting: ${job.waitingFor}`);
    const { total, committed, dead, running, retrying } = job.chunks;
    call.output.line(
      `  chunks: ${total} planned${job.sealed ? '' : ' so far'}, ${committed} committed, ${running} running, ${retrying} retrying, ${dead} dead`,
    );
    for (const { budget, subject, value, of, limit } of job.budgets) {
      const used = of === null ? `${value} of ${limit}` : `${((100 * value) / Math.max(1, of)).toFixed(3)} % of ${(100 * limit).toFixed(2)} %`;
      if (value > 0) call.output.line(`  budget ${budget}${subject === null ? '' : ` (${subject})`}: ${used}`);
    }
    for (const line of describeEnd(job)) call.output.line(line);
    call.output.line(`  output ${job.outputUri}   rejects ${job.rejectsUri}`);
    return exitCodes.done;
  });
}

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
