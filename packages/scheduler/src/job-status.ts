/** Pure: a job as people and producers see it, from the ledger or, when Redis no longer holds it, from the journal. */
import { isFullyPlanned, type JobView } from '@millrace/journal';
import {
  type Balance,
  chunkBytes,
  type JobResult,
  type JobState,
  type JobStatus,
  jobStages,
  type Manifest,
  type StageStatus,
  zeroBalance,
} from '@millrace/protocol';
import type { LedgerJobView, LedgerStage } from '@millrace/queues';
import { nextLater } from './next-steps.ts';

export interface Speed {
  readonly bytesPerSecond: number;
  readonly waitingFor: string | null;
}

export const noSpeed: Speed = { bytesPerSecond: 0, waitingFor: null };

export function statusFromLedger(job: LedgerJobView, speed: Speed): JobStatus {
  const { chunks } = job;
  const isOver = job.state === 'completed' || job.state === 'failed' || job.state === 'cancelled';
  const total = job.sealed ? job.bytesPlanned : Math.max(job.bytesPlanned, job.inputBytes);
  const leftBytes = Math.max(0, total - job.sums.bytesIn - job.deadLetters.bytes);
  return {
    jobId: job.jobId,
    name: job.name,
    state: shownState(job),
    generation: job.generation,
    waitingFor: isOver ? null : speed.waitingFor,
    sealed: job.sealed && nextLater(job) === null,
    stages: job.stageViews.map(stageFromLedger),
    chunks: { ...chunks, cancelled: job.state === 'cancelled' ? chunks.total - chunks.committed - chunks.dead : 0 },
    bytes: { total, done: Math.min(total, job.sums.bytesIn) },
    balance: balanceOf(job),
    bytesPerSecond: isOver ? 0 : Math.round(speed.bytesPerSecond),
    etaSeconds: isOver || speed.bytesPerSecond < 1 ? null : Math.ceil(leftBytes / speed.bytesPerSecond),
    failure: job.failure ?? (job.end === null ? null : { code: job.end.code, message: job.end.message }),
  };
}

function stageFromLedger({ name, kind, chunks, sums: { recordsIn, rowsOut } }: LedgerStage): StageStatus {
  return { name, kind, chunks, recordsIn, rowsOut };
}

/** A pause is a flag: what it stands over goes on when it is taken back. */
function shownState(job: LedgerJobView): JobState {
  return job.paused && (job.state === 'accepted' || job.state === 'planning' || job.state === 'running') ? 'paused' : job.state;
}

export function balanceOf(job: LedgerJobView): Balance {
  const { recordsIn, emitted, filtered, deduplicated, rejected, rowsOut, repaired } = job.sums;
  return { recordsIn, emitted, filtered, deduplicated, rejected, rowsOut, repaired, unreadBytes: job.deadLetters.bytes };
}

/** Of a terminal generation all is exact; of an open one that the ledger does not hold, outcomes are counted by name and sums are not known yet. */
export function statusFromJournal(view: JobView): JobStatus {
  const manifest = view.manifests.find((one) => one.generation === view.generation) ?? null;
  return manifest === null ? openStatus(view) : endedStatus(view, manifest);
}

function endedStatus(view: JobView, manifest: Manifest): JobStatus {
  const { total, committed, dead, open } = manifest.chunks;
  return {
    ...headOf(view),
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
    bytes: { total: view.job.record.inputBytes, done: manifest.bytes.in },
    balance: manifest.balance,
    failure: manifest.failure,
  };
}

function openStatus(view: JobView): JobStatus {
  const plan = view.plans.at(-1);
  const filled = view.chunks.filter((chunk) => chunk.verdicts.some((verdict) => verdict.generation === chunk.generation)).length;
  return {
    ...headOf(view),
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

function headOf(view: JobView): Pick<JobStatus, 'jobId' | 'name' | 'generation' | 'waitingFor' | 'bytesPerSecond' | 'etaSeconds'> {
  const { jobId, name } = view.job.record;
  return { jobId, name, generation: view.generation, waitingFor: null, bytesPerSecond: 0, etaSeconds: null };
}

/** Files beyond these are in the manifest alone. */
const shownFiles = 1_000;

export function resultOf(manifest: Manifest, manifestUri: string): JobResult {
  return {
    jobId: manifest.jobId,
    generation: manifest.generation,
    manifestUri,
    outputUri: manifest.outputUri,
    rejectsUri: manifest.rejectsUri,
    balance: manifest.balance,
    parts: manifest.parts.length,
    rows: manifest.parts.reduce((sum, part) => sum + part.rows, 0),
    bytes: manifest.bytes.out,
    gaps: manifest.gaps.length,
    durationMs: manifest.durationMs,
    files: manifest.files.slice(0, shownFiles).map(({ uri, balance }) => ({ uri, balance })),
  };
}
