/** Runs one chunk on a core: as a whole, with less memory, or bisected to the records that kill it. */
import { type CoreLease, CoreGoneError } from '@millrace/core-client';
import { verdictKey } from '@millrace/journal';
import { sha256Hex } from '@millrace/protocol';
import type { ChunkDone, Event, ExcludedRange, Process } from '@millrace/protocol/wire';
import type { AttemptOrders } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import { bisectChunk } from '../bisect-chunk.ts';
import type { ChunkWork } from '../chunk-work.ts';
import { classifyCode, classifyFailed, classifyGone, type ClassifiedFailure } from '../classify.ts';
import { attemptDeadlineMs } from '../deadline.ts';
import type { ChunkRun } from '../execute-chunk.ts';
import type { Host, OpenedAttempt } from '../host.ts';
import type { Lease } from '../lease-keeper.ts';
import { ProgressKeeper, type StopReason } from '../progress-keeper.ts';

export async function processChunk(attempt: OpenedAttempt<AttemptOrders>, work: ChunkWork, lease: Lease, host: Host): Promise<ChunkRun> {
  const { orders } = attempt;
  const payload = await readPayload(work, host);
  if (orders.mode !== 'bisect') return runCommit(attempt, work, payload, [], lease, host);
  const bisected = await bisectChunk(attempt, work, payload, lease, host);
  return 'end' in bisected ? bisected.end : runCommit(attempt, work, payload, bisected.excluded, lease, host);
}

/** Bytes of an inline chunk, which go to the core as payload; nothing otherwise. */
async function readPayload(work: ChunkWork, host: Host): Promise<Uint8Array | null> {
  const { chunk } = work;
  if (chunk.kind !== 'inline') return null;
  const bytes = (await host.journal.readInline(chunk.key)).subarray(chunk.offset, chunk.offset + chunk.length);
  if (sha256Hex(bytes) !== chunk.sha256) throw new AppError('JOURNAL_UNSAFE', `cannot run chunk ${chunk.chunk}: the payloads in ${chunk.key} are not those of the plan`);
  return bytes;
}

async function runCommit(
  attempt: OpenedAttempt<AttemptOrders>,
  work: ChunkWork,
  payload: Uint8Array | null,
  excluded: readonly ExcludedRange[],
  lease: Lease,
  host: Host,
): Promise<ChunkRun> {
  const result = await runOnce(attempt, work, { mode: 'commit', range: null, excluded }, payload, lease, host);
  const { bytesDone, recordsDone } = result.progress;
  if (result.failure !== null) return { kind: 'failed', failure: result.failure, bytesDone, recordsDone };
  switch (result.done.outcome) {
    case 'committed':
    case 'superseded':
      return { kind: result.done.outcome, bytesDone, recordsDone };
    case 'cancelled':
      return cancelledRun(result.stoppedFor, bytesDone, recordsDone);
    case 'trialOk':
      return { kind: 'failed', failure: classifyCode('PROTOCOL_VIOLATION', 'the core answered a commit with trialOk'), bytesDone, recordsDone };
    default:
      return result.done.outcome satisfies never;
  }
}

function cancelledRun(stoppedFor: StopReason | null, bytesDone: number, recordsDone: number): ChunkRun {
  if (stoppedFor === 'fence') return { kind: 'failed', failure: classifyCode('LEASE_LOST', 'the host could not prove its lease any more'), bytesDone, recordsDone };
  if (stoppedFor === 'cancel') return { kind: 'cancelled' };
  if (stoppedFor === 'drain') return { kind: 'released' };
  return { kind: 'failed', failure: classifyCode('CORE_TIME_LIMIT', 'the attempt took longer than its time limit'), bytesDone, recordsDone };
}

export interface RunResult {
  readonly done: ChunkDone;
  /** Not null: there is no `done` to speak of. */
  readonly failure: ClassifiedFailure | null;
  readonly stoppedFor: StopReason | null;
  readonly progress: { readonly bytesDone: number; readonly recordsDone: number };
}

/** One `Process` on a leased core. The core is replaced when it died; the lease and the ledger are kept alive by its progress. */
export async function runOnce(
  attempt: OpenedAttempt<AttemptOrders>,
  work: ChunkWork,
  run: Pick<Process, 'mode' | 'range' | 'excluded'>,
  payload: Uint8Array | null,
  lease: Lease,
  host: Host,
): Promise<RunResult> {
  const keeper = new ProgressKeeper(attempt, lease, host);
  const leased = await leaseCore(keeper, host);
  try {
    const deadlineMs = attemptDeadlineMs(work.bytes, work.spec.execution.attemptTimeLimit, attempt.orders.mode === 'bisect');
    const answer = await leased.core.request(processMessage(attempt, run, lease, host), {
      deadlineMs,
      signal: keeper.signal,
      onEvent: (event: Event) => keeper.note(event, leased.core),
      ...(payload === null ? {} : { payload }),
    });
    leased.release(answer.done === null ? {} : { rssBytes: answer.done.peakRssBytes });
    return { done: answer.done ?? neverRan, failure: answer.failed === null ? null : classifyFailed(answer.failed), stoppedFor: keeper.stoppedFor, progress: keeper.progress };
  } catch (error) {
    if (!(error instanceof CoreGoneError)) throw error;
    return { done: neverRan, failure: goneFailure(error, keeper.stoppedFor), stoppedFor: keeper.stoppedFor, progress: keeper.progress };
  } finally {
    leased.release();
    keeper.stop();
  }
}

/** A core that did not answer to a cancel in time was killed for it: the reason of the cancel is the failure's. */
function goneFailure(gone: CoreGoneError, stoppedFor: StopReason | null): ClassifiedFailure {
  if (stoppedFor === 'fence') return { ...classifyGone(gone), ...pick(classifyCode('LEASE_LOST', 'the host could not prove its lease and killed its core')) };
  return classifyGone(gone);
}

const pick = ({ code, class: failureClass, message }: ClassifiedFailure) => ({ code, class: failureClass, message });

const neverRan: ChunkDone = {
  type: 'ChunkDone',
  outcome: 'cancelled',
  verdictDigest: null,
  counts: {
    recordsIn: 0,
    emitted: 0,
    filtered: 0,
    deduplicated: 0,
    rejected: 0,
    rowsOut: 0,
    repaired: 0,
    bytesIn: 0,
    blankLines: 0,
    commentLines: 0,
    suspectRecords: 0,
    damagedBytes: 0,
    damagedLines: 0,
  },
  byCode: [],
  phases: { readUs: 0, decodeUs: 0, transformUs: 0, encodeUs: 0, writeUs: 0, commitUs: 0 },
  peakRssBytes: 0,
};

async function leaseCore(keeper: ProgressKeeper, host: Host): Promise<CoreLease> {
  const stopWaiting = keeper.liveWhileWaiting();
  try {
    return await host.cores.lease(keeper.signal);
  } finally {
    stopWaiting();
  }
}

function processMessage(attempt: OpenedAttempt<AttemptOrders>, run: Pick<Process, 'mode' | 'range' | 'excluded'>, lease: Lease, host: Host) {
  const { orders, attemptId } = attempt;
  return {
    type: 'Process',
    call: { leaseLeftMs: lease.leftMs() },
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
    uniqueKey: null,
    ...run,
  } as const;
}
