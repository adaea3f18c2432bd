/** Runs one chunk on a core: as a whole, with less memory, or bisected to the records that kill it. */
import { parseRecord, sha256Hex, type Verdict } from '@millrace/protocol';
import type { ExcludedRange } from '@millrace/protocol/wire';
import type { AttemptOrders } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import { bisectChunk } from '../bisect-chunk.ts';
import type { ChunkWork } from '../chunk-work.ts';
import { classifyCode } from '../classify.ts';
import type { ChunkRun } from '../execute-chunk.ts';
import type { Host, OpenedAttempt } from '../host.ts';
import type { Lease } from '../lease-keeper.ts';
import { ProgressKeeper } from '../progress-keeper.ts';
import { type ChunkTry, deadlineOf, endOfStop, type RunResult, runOnce } from '../run-once.ts';

export async function processChunk(attempt: OpenedAttempt<AttemptOrders>, work: ChunkWork, lease: Lease, host: Host): Promise<ChunkRun> {
  const payload = await readPayload(work, host);
  const keeper = new ProgressKeeper(attempt, lease, host);
  try {
    const tried = { attempt, work, payload, keeper, host };
    // A partition is never bisected: its last try is one with less memory.
    if (attempt.orders.mode !== 'bisect' || work.chunk.kind === 'partition') return await runCommit(tried, []);
    const bisected = await bisectChunk(tried);
    return 'end' in bisected ? bisected.end : await runCommit(tried, bisected.excluded);
  } finally {
    keeper.stop();
  }
}

/** Bytes of an inline chunk; null of any other. */
async function readPayload({ chunk }: ChunkWork, host: Host): Promise<Uint8Array | null> {
  if (chunk.kind !== 'inline') return null;
  const bytes = (await host.journal.readInline(chunk.key)).subarray(chunk.offset, chunk.offset + chunk.length);
  if (sha256Hex(bytes) === chunk.sha256) return bytes;
  throw new AppError('JOURNAL_UNSAFE', `cannot run chunk ${chunk.chunk}: the payloads in ${chunk.key} are not those of the plan`);
}

/** The verdict that the core put, or found, as it says it stands; null when the answer does not hold it: then it is read. */
function verdictOf({ done, verdict }: Extract<RunResult, { kind: 'done' }>, { attempt, host }: ChunkTry): Verdict | null {
  if (verdict.length === 0 || done.verdictDigest !== sha256Hex(verdict)) return null;
  const { orders } = attempt;
  try {
    const record = parseRecord('verdict', verdict);
    const isOurs = record.jobId === orders.jobId && record.stage === orders.stage && record.chunk === orders.chunk && record.generation === orders.generation;
    return isOurs ? record : null;
  } catch (err) {
    host.log.warn({ err, chunkId: orders.chunkId }, 'the verdict in an answer cannot be read');
    return null;
  }
}

async function runCommit(tried: ChunkTry, excluded: readonly ExcludedRange[]): Promise<ChunkRun> {
  const result = await runOnce(tried, { mode: 'commit', range: null, excluded }, deadlineOf(tried));
  const { progress } = tried.keeper;
  switch (result.kind) {
    case 'stopped':
      return endOfStop(tried, result.reason);
    case 'failed':
      return { kind: 'failed', failure: result.failure, ...progress };
    case 'done': {
      const { outcome } = result.done;
      if (outcome === 'committed') tried.host.metrics.recordPhases(result.done.phases);
      if (outcome === 'committed' || outcome === 'superseded') return { kind: outcome, verdict: verdictOf(result, tried) };
      return { kind: 'failed', failure: classifyCode('PROTOCOL_VIOLATION', `the core answered a commit with ${outcome}`), ...progress };
    }
    default:
      return result satisfies never;
  }
}
