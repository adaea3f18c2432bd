/** Pure: a job as people and producers see it, from the ledger. What the journal has of it is `statusFromJournal` of that package. */
import { type Balance, isTerminalJobState, type JobState, type JobStatus, laterStages, type StageStatus } from '@millrace/protocol';
import type { LedgerJobView, LedgerStage } from './ledger-job.ts';

export interface Speed {
  readonly bytesPerSecond: number;
  readonly waitingFor: string | null;
}

export const noSpeed: Speed = { bytesPerSecond: 0, waitingFor: null };

/** The job ended before the ledger had read what its receipts count, after a loss of Redis: nobody adds that any more, and only its manifest has the sums. */
export const isCountedInPart = (job: LedgerJobView): boolean => isTerminalJobState(job.state) && job.uncounted > 0;

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

/** The first of the later stages that is not planned; null when there is none left. */
export function nextLater(job: Pick<LedgerJobView, 'stages' | 'plannedStages'>): number | null {
  return job.plannedStages < laterStages(job.stages).length ? job.plannedStages : null;
}
