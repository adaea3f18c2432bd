/** One `Process` on a leased core. A core that died is replaced by the pool; the lease and the ledger are kept alive by its progress. */
import { CoreGoneError, type CoreLease } from '@millrace/core-client';
import { verdictKey } from '@millrace/journal';
import type { ChunkDone, Event, Process } from '@millrace/protocol/wire';
import type { AttemptOrders } from '@millrace/queues';
import type { ChunkWork } from './chunk-work.ts';
import { type ClassifiedFailure, classifyCode, classifyFailed, classifyGone, isObeyedStop } from './classify.ts';
import { attemptDeadlineMs } from './deadline.ts';
import type { ChunkRun } from './execute-chunk.ts';
import type { Host, OpenedAttempt } from './host.ts';
import type { ProgressKeeper, StopReason } from './progress-keeper.ts';

/** An attempt at a chunk with all that its runs on cores share. */
export interface ChunkTry {
  readonly attempt: OpenedAttempt<AttemptOrders>;
  readonly work: ChunkWork;
  /** Bytes of an inline chunk, which go to the core with the request; null otherwise. */
  readonly payload: Uint8Array | null;
  readonly keeper: ProgressKeeper;
  readonly host: Host;
}

export type RunResult =
  /** `verdict`: as it stands in the journal, when the chunk was committed by whomever. */
  | { readonly kind: 'done'; readonly done: ChunkDone; readonly verdict: Uint8Array }
  | { readonly kind: 'failed'; readonly failure: ClassifiedFailure }
  /** The host asked for the end and the core obeyed, or was killed for it. */
  | { readonly kind: 'stopped'; readonly reason: StopReason };

export const deadlineOf = ({ work }: ChunkTry): number => attemptDeadlineMs(work.bytes, work.spec.execution.attemptTimeLimit);

export async function runOnce(tried: ChunkTry, run: Pick<Process, 'mode' | 'range' | 'excluded'>, deadlineMs: number): Promise<RunResult> {
  const { keeper } = tried;
  let leased: CoreLease | null = null;
  let stopWatching = (): void => {};
  try {
    leased = await keeper.whileWaiting(() => tried.host.cores.lease(keeper.signal));
    stopWatching = keeper.watch(leased.core);
    return await ask(tried, leased, run, deadlineMs);
  } catch (error) {
    if (keeper.stoppedFor !== null) return { kind: 'stopped', reason: keeper.stoppedFor };
    if (error instanceof CoreGoneError) return { kind: 'failed', failure: classifyGone(error) };
    throw error;
  } finally {
    stopWatching();
    leased?.release();
  }
}

async function ask(tried: ChunkTry, leased: CoreLease, run: Pick<Process, 'mode' | 'range' | 'excluded'>, deadlineMs: number): Promise<RunResult> {
  const { keeper, payload } = tried;
  const answer = await leased.core.request(messageOf(tried, run), {
    deadlineMs,
    signal: keeper.signal,
    onEvent: (event: Event) => keeper.note(event, leased.core),
    ...(payload === null ? {} : { payload }),
  });
  if (answer.failed !== null) {
    if (keeper.stoppedFor !== null && isObeyedStop(answer.failed, keeper.stoppedFor)) return { kind: 'stopped', reason: keeper.stoppedFor };
    return { kind: 'failed', failure: classifyFailed(answer.failed) };
  }
  leased.release({ rssBytes: answer.done.peakRssBytes });
  if (answer.done.outcome !== 'cancelled') return { kind: 'done', done: answer.done, verdict: answer.payload };
  if (keeper.stoppedFor !== null) return { kind: 'stopped', reason: keeper.stoppedFor };
  return { kind: 'failed', failure: classifyCode('CORE_TIME_LIMIT', `the attempt took longer than its time limit of ${deadlineMs} ms`) };
}

/** What a stop that the host asked for makes of the attempt. */
export function endOfStop({ keeper }: ChunkTry, reason: StopReason): ChunkRun {
  if (reason === 'drain') return { kind: 'released', ...keeper.progress };
  if (reason === 'cancel') return { kind: 'cancelled', ...keeper.progress };
  return { kind: 'failed', failure: classifyCode('LEASE_LOST', 'the host could not prove its lease any more'), ...keeper.progress };
}

/** A partition is reduced, everything else is processed. */
function messageOf(tried: ChunkTry, run: Pick<Process, 'mode' | 'range' | 'excluded'>) {
  const { chunk } = tried.work;
  return chunk.kind === 'partition' ? reduceMessage(tried, chunk.partition) : processMessage(tried, run);
}

function reduceMessage(tried: ChunkTry, partition: number) {
  return { ...commonOf(tried), type: 'Reduce', mode: 'commit', partition } as const;
}

function processMessage(tried: ChunkTry, run: Pick<Process, 'mode' | 'range' | 'excluded'>) {
  return { ...commonOf(tried), type: 'Process', ...run } as const;
}

function commonOf({ attempt, work, keeper }: ChunkTry) {
  const { orders, attemptId } = attempt;
  return {
    call: { leaseLeftMs: keeper.lease.leftMs(), secrets: work.secrets },
    jobKey: orders.jobKey,
    specDigest: orders.specDigest,
    segmentKey: orders.segmentKey,
    segmentDigest: orders.segmentDigest,
    chunkIndex: orders.chunk,
    stage: orders.stage,
    generation: orders.generation,
    attemptId,
    verdictKey: verdictKey(orders.jobId, orders.stage, orders.chunk, orders.generation),
    trace: 'none',
    memory: orders.mode === 'normal' ? 'normal' : 'less',
  } as const;
}
