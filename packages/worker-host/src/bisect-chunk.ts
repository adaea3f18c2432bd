/** Bisects a chunk on cores: trials of ranges, each of which may kill its core, until the records to leave out are known. */
import type { Chunk } from '@millrace/protocol';
import type { ExcludedRange } from '@millrace/protocol/wire';
import type { AttemptOrders } from '@millrace/queues';
import { findPoison, type RecordRange } from './bisect.ts';
import type { ChunkWork } from './chunk-work.ts';
import { classifyCode } from './classify.ts';
import type { ChunkRun } from './execute-chunk.ts';
import { runOnce } from './handlers/process-chunk.ts';
import type { Host, OpenedAttempt } from './host.ts';
import type { Lease } from './lease-keeper.ts';

const CUTS_DEADLINE_MS = 120_000;

/** What to exclude, or how the attempt ends when that cannot be found out. */
export async function bisectChunk(
  attempt: OpenedAttempt<AttemptOrders>,
  work: ChunkWork,
  payload: Uint8Array | null,
  lease: Lease,
  host: Host,
): Promise<{ readonly excluded: readonly ExcludedRange[] } | { readonly end: ChunkRun }> {
  const { chunk } = work;
  if (chunk.kind !== 'range') return failed('CORE_CRASH', 'an inline chunk cannot be bisected');
  let code = 'CORE_CRASH';
  const survives = async (range: RecordRange): Promise<boolean> => {
    const { start, end, record, line } = range;
    const result = await runOnce(attempt, work, { mode: 'trial', range: { start, end, record, line }, excluded: [] }, payload, lease, host);
    if (result.stoppedFor !== null) throw new StoppedError(result.stoppedFor);
    if (result.failure?.class === 'resource') code = 'CORE_MEMORY';
    return result.failure === null || (result.failure.class !== 'crash' && result.failure.class !== 'resource');
  };
  try {
    const bisection = await findPoison(wholeOf(chunk), { survives, halve: (range) => halve(range, attempt, work, host) });
    if ('gaveUp' in bisection) {
      const { start, end } = bisection.gaveUp;
      return failed('CORE_CRASH', `bisecting gave up after ${bisection.coreStarts} cores; the smallest range that fails is bytes ${start} to ${end}`);
    }
    return { excluded: bisection.found.map(({ start, end }) => ({ start, end, code })) };
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
    if (error.reason === 'cancel') return { end: { kind: 'cancelled' } };
    return error.reason === 'drain' ? { end: { kind: 'released' } } : failed('LEASE_LOST', 'the lease was lost while bisecting');
  }
}

class StoppedError extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`bisecting was stopped: ${reason}`);
    this.reason = reason;
  }
}

const failed = (code: 'CORE_CRASH' | 'LEASE_LOST', message: string): { readonly end: ChunkRun } => ({
  end: { kind: 'failed', failure: classifyCode(code, message), bytesDone: 0, recordsDone: 0 },
});

const wholeOf = (chunk: Extract<Chunk, { kind: 'range' }>): RecordRange => {
  const { start, end, record, line, records } = chunk;
  return { start, end, record, line, records };
};

/** Cuts at record starts, found by the core's own reader; the core that is asked has just been started, so it lives. */
async function halve(range: RecordRange, attempt: OpenedAttempt<AttemptOrders>, work: ChunkWork, host: Host): Promise<readonly RecordRange[]> {
  if (range.records <= 1) return [range];
  const { uri, etag } = work.place.range ?? { uri: '', etag: '' };
  const { jobKey } = attempt.orders;
  const { start, end } = range;
  const input = { uri, connection: null, etag: etag ?? '', size: 0 };
  const message = { type: 'Inspect', what: 'cuts', input, connection: null, jobKey, start, end, record: null, parts: 2, spec: null } as const;
  const leased = await host.cores.lease();
  try {
    const answer = await leased.core.request(message, { deadlineMs: CUTS_DEADLINE_MS });
    if (answer.failed !== null) throw new Error(`cannot halve bytes ${start} to ${end}: ${answer.failed.message}`);
    return rangesOf(range, JSON.parse(new TextDecoder().decode(answer.payload)) as Cut[]);
  } finally {
    leased.release();
  }
}

interface Cut {
  readonly start: number;
  readonly end: number;
  readonly record: number;
  readonly line: number;
}

/** The counts follow from the numbers of the first records. */
function rangesOf(whole: RecordRange, cuts: readonly Cut[]): RecordRange[] {
  return cuts.map((cut, index) => ({ ...cut, records: (cuts[index + 1]?.record ?? whole.record + whole.records) - cut.record }));
}
