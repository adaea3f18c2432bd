/** Pure: a job as people and producers see it, from its records. */
import {
  chunkBytes,
  type JobRecord,
  type JobResult,
  type JobStatus,
  jobStages,
  type Manifest,
  type ManifestFile,
  manifestCount,
  type StageStatus,
  zeroBalance,
} from '@millrace/protocol';
import { isFullyPlanned, type JobView } from './read-job.ts';

/** Of a terminal generation all is exact; of an open one that the ledger does not hold, outcomes are counted by name and sums are not known yet. */
export function statusFromJournal(view: JobView): JobStatus {
  const manifest = view.manifests.find((one) => one.generation === view.generation) ?? null;
  return manifest === null ? openStatus(view) : statusOfManifest(view.job.record, manifest);
}

/** Of a generation that ended: all is exact. */
export function statusOfManifest(job: Pick<JobRecord, 'jobId' | 'name' | 'inputBytes'>, manifest: Manifest): JobStatus {
  const { total, committed, dead, open } = manifest.chunks;
  return {
    ...headOf(job, manifest.generation),
    state: manifest.state,
    sealed: true,
    stages: (manifest.stages ?? []).map(({ name, kind, chunks, balance: { recordsIn, rowsOut } }) => ({ name, kind, chunks, recordsIn, rowsOut })),
    chunks: {
      ...noChunks,
      total,
      committed,
      dead: Math.min(dead, total),
      cancelled: manifest.state === 'cancelled' ? open : 0,
      pending: manifest.state === 'cancelled' ? 0 : open,
    },
    bytes: { total: job.inputBytes, done: manifest.bytes.in },
    balance: manifest.balance,
    failure: manifest.failure,
  };
}

function openStatus(view: JobView): JobStatus {
  const plan = view.plans.at(-1);
  const filled = view.chunks.filter((chunk) => chunk.verdicts.some((verdict) => verdict.generation === chunk.generation)).length;
  return {
    ...headOf(view.job.record, view.generation),
    state: view.chunks.length > 0 ? 'running' : 'accepted',
    sealed: plan !== undefined && isFullyPlanned(plan),
    stages: jobStages(view.job.record).map((stage) => openStage(view, stage)),
    chunks: { ...noChunks, total: view.chunks.length, committed: filled, pending: view.chunks.length - filled },
    bytes: {
      total: Math.max(
        view.job.record.inputBytes,
        view.chunks.reduce((sum, { chunk }) => sum + chunkBytes(chunk), 0),
      ),
      done: 0,
    },
    balance: zeroBalance,
    failure: null,
  };
}

function openStage(view: JobView, { name, kind }: { name: string; kind: 'map' | 'reduce' }): StageStatus {
  const own = view.chunks.filter(({ stage }) => stage === name);
  const filled = own.filter((chunk) => chunk.verdicts.some((verdict) => verdict.generation === chunk.generation)).length;
  return { name, kind, chunks: { total: own.length, committed: filled, dead: 0 }, recordsIn: 0, rowsOut: 0 };
}

const noChunks: JobStatus['chunks'] = { total: 0, pending: 0, queued: 0, running: 0, retrying: 0, committed: 0, dead: 0, cancelled: 0 };

function headOf(
  { jobId, name }: Pick<JobRecord, 'jobId' | 'name'>,
  generation: number,
): Pick<JobStatus, 'jobId' | 'name' | 'generation' | 'waitingFor' | 'bytesPerSecond' | 'etaSeconds'> {
  return { jobId, name, generation, waitingFor: null, bytesPerSecond: 0, etaSeconds: null };
}

/** Files beyond these are in the manifest alone. */
export const shownFiles = 1_000;

/** `files`: the first of the manifest. */
export function resultOf(manifest: Manifest, manifestUri: string, files: readonly ManifestFile[]): JobResult {
  return {
    jobId: manifest.jobId,
    generation: manifest.generation,
    manifestUri,
    outputUri: manifest.outputUri,
    rejectsUri: manifest.rejectsUri,
    balance: manifest.balance,
    parts: manifestCount(manifest, 'parts'),
    rows: manifest.balance.rowsOut,
    bytes: manifest.bytes.out,
    gaps: manifestCount(manifest, 'gaps'),
    durationMs: manifest.durationMs,
    files: files.slice(0, shownFiles).map(({ uri, balance }) => ({ uri, balance })),
  };
}
