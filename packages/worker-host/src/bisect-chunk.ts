/** Bisects a chunk on cores: trials of ranges, each of which may kill its core, until the records to leave out are known. */
import { CoreGoneError, type CoreProcess } from '@millrace/core-client';
import { type Chunk, chunkBytes, type FileChunk, fileShares, plannedRecords } from '@millrace/protocol';
import type { ExcludedRange } from '@millrace/protocol/wire';
import { findPoison, type PoisonRecord, type RecordRange } from './bisect.ts';
import { type ClassifiedFailure, classifyCode } from './classify.ts';
import { attemptDeadlineMs } from './deadline.ts';
import type { ChunkRun } from './execute-chunk.ts';
import { type ChunkTry, deadlineOf, endOfStop, runOnce } from './run-once.ts';

const CUTS_DEADLINE_MS = 120_000;

/** What to exclude, or how the attempt ends when that cannot be found out. */
export async function bisectChunk(tried: ChunkTry): Promise<{ readonly excluded: readonly ExcludedRange[] } | { readonly end: ChunkRun }> {
  const { chunk, bytes, spec } = tried.work;
  if (fileShares(chunk).length === 0) return { end: failedRun(tried, classifyCode('CORE_CRASH', 'an inline chunk cannot be bisected')) };
  const { clock } = tried.host;
  const overAt = clock.monotonicMs() + attemptDeadlineMs(bytes, spec.execution.attemptTimeLimit, true);
  try {
    const bisection = await findPoison(wholeOf(chunk), {
      trial: (range) => trial(tried, range),
      halve: async (range) => (chunk.kind === 'rows' ? halvesOfRows(range) : halveBytes(tried, range)),
      isOver: () => clock.monotonicMs() >= overAt,
    });
    tried.host.metrics.recordBisection('found' in bisection ? 'isolated' : 'gave_up');
    if ('found' in bisection) return { excluded: bisection.found.map(excludedRange) };
    const { start, end } = bisection.gaveUp;
    const message = `bisecting gave up after ${bisection.coreStarts} cores; the smallest range that fails is bytes ${start} to ${end}`;
    return { end: failedRun(tried, { ...classifyCode('CORE_CRASH', message), details: { start, end } }) };
  } catch (error) {
    if (error instanceof EndOfBisection) return { end: error.end };
    throw error;
  }
}

/** Something else than poison ended the bisection; it says nothing about any record. */
class EndOfBisection extends Error {
  readonly end: ChunkRun;

  constructor(end: ChunkRun) {
    super('the bisection cannot go on');
    this.end = end;
  }
}

const failedRun = ({ keeper }: ChunkTry, failure: ClassifiedFailure): ChunkRun => ({ kind: 'failed', failure, ...keeper.progress });

async function trial(tried: ChunkTry, range: RecordRange): Promise<string | null> {
  const { start, end, record, line } = range;
  const result = await runOnce(tried, { mode: 'trial', range: { start, end, record, line }, excluded: [] }, deadlineOf(tried));
  if (result.kind === 'stopped') throw new EndOfBisection(endOfStop(tried, result.reason));
  if (result.kind === 'done') return null;
  const { failure } = result;
  if (failure.class === 'crash' || failure.class === 'resource') return failure.code;
  throw new EndOfBisection(failedRun(tried, failure));
}

/** Rejects know two codes for records that were not survived; a hang or a limit of time is a crash to the reader of the reject. */
const excludedRange = ({ range: { start, end }, code }: PoisonRecord): ExcludedRange => ({ start, end, code: code === 'CORE_MEMORY' ? code : 'CORE_CRASH' });

/** Rows have no lines; the core takes any number for theirs. A group is cut as if its files stood one after another. */
const wholeOf = (chunk: Chunk): RecordRange => {
  const records = plannedRecords(chunk) ?? 0;
  if (chunk.kind === 'range') return { start: chunk.start, end: chunk.end, record: chunk.record, line: chunk.line, records };
  return chunk.kind === 'rows' ? { start: chunk.start, end: chunk.end, record: chunk.start + 1, line: 1, records } : startingAt(0, chunkBytes(chunk), records);
};

/** Where a file of a group begins the core knows its first record and line. */
const startingAt = (start: number, bytes: number, records: number): RecordRange => ({ start, end: start + bytes, record: 1, line: 1, records });

/** Where a range lies: several files of a group, or one file at `offset` of its coordinates. */
export function filesIn(shares: readonly FileChunk[], { start, end }: RecordRange): { readonly file: FileChunk; readonly offset: number }[] {
  let offset = 0;
  const placed = shares.map((file) => {
    const first = offset;
    offset += file.end - file.start;
    return { file, offset: first };
  });
  return placed.filter(({ file, offset: first }) => first < end && start < first + file.end - file.start);
}

/** A group is halved between its files, down to one file, and that like any other. */
async function halveBytes(tried: ChunkTry, range: RecordRange): Promise<readonly RecordRange[]> {
  const { chunk, files } = tried.work;
  if (chunk.kind !== 'files') return halve(tried, range, tried.work.place.range ?? { uri: '', etag: null });
  const [found, ...others] = filesIn(fileShares(chunk), range);
  if (found === undefined) return [];
  if (others.length > 0) return twoHalves([found, ...others].map(({ file, offset }) => startingAt(offset, file.end - file.start, file.records)));
  const plan = files.find(({ file }) => file === found.file.file);
  const shift = found.file.start - found.offset;
  const moved = (one: RecordRange, by: number): RecordRange => ({ ...one, start: one.start + by, end: one.end + by });
  const inFile = await halve(tried, moved(range, shift), { uri: plan?.uri ?? '', etag: plan?.etag ?? null });
  return inFile.map((half) => moved(half, -shift));
}

/** Rows can be cut anywhere. */
function halvesOfRows({ start, end, line }: RecordRange): readonly RecordRange[] {
  const middle = start + Math.floor((end - start) / 2);
  const part = (from: number, to: number): RecordRange => ({ start: from, end: to, record: from + 1, line, records: to - from });
  return middle === start ? [] : [part(start, middle), part(middle, end)];
}

/** Two halves, cut at a record start that the core's own reader finds; none when cutting kills the core too. */
async function halve(tried: ChunkTry, range: RecordRange, file: FileVersion): Promise<readonly RecordRange[]> {
  const leased = await tried.keeper.whileWaiting(() => tried.host.cores.lease(tried.keeper.signal));
  try {
    // The core cuts at equal shares of bytes: a short record before a long one shows only in small shares.
    for (const parts of [2, 64, range.end - range.start]) {
      const ranges = rangesOf(range, await cuts(tried, leased.core, range, file, parts));
      if (ranges.length >= 2) return twoHalves(ranges);
    }
    return [];
  } catch (error) {
    if (error instanceof CoreGoneError && tried.keeper.stoppedFor === null) return [];
    throw error;
  } finally {
    leased.release();
  }
}

interface FileVersion {
  readonly uri: string;
  readonly etag: string | null;
}

async function cuts({ attempt, keeper }: ChunkTry, core: CoreProcess, { start, end }: RecordRange, { uri, etag }: FileVersion, parts: number): Promise<Cut[]> {
  const input = { uri, connection: null, etag: etag ?? '', size: 0 };
  const message = {
    type: 'Inspect',
    what: 'cuts',
    input,
    connection: null,
    jobKey: attempt.orders.jobKey,
    start,
    end,
    record: null,
    parts,
    spec: null,
  } as const;
  const answer = await core.request(message, { deadlineMs: CUTS_DEADLINE_MS, signal: keeper.signal });
  if (answer.failed !== null) throw new Error(`cannot halve bytes ${start} to ${end}: ${answer.failed.message}`);
  return JSON.parse(new TextDecoder().decode(answer.payload)) as Cut[];
}

interface Cut {
  readonly start: number;
  readonly end: number;
  readonly record: number;
  readonly line: number;
}

/** The counts follow from the numbers of the first records. */
export function rangesOf(whole: RecordRange, cuts: readonly Cut[]): RecordRange[] {
  return cuts.map((cut, index) => ({ ...cut, records: (cuts[index + 1]?.record ?? whole.record + whole.records) - cut.record }));
}

/** Neighbouring ranges as two, with about as many records each. */
export function twoHalves(ranges: readonly RecordRange[]): RecordRange[] {
  const all = ranges.reduce((sum, { records }) => sum + records, 0);
  let at = 1;
  for (let left = ranges[0]?.records ?? 0; at < ranges.length - 1 && left * 2 < all; at += 1) left += ranges[at]?.records ?? 0;
  return [ranges.slice(0, at), ranges.slice(at)].flatMap((some) => joined(some));
}

function joined(ranges: readonly RecordRange[]): RecordRange[] {
  const [first, last] = [ranges[0], ranges.at(-1)];
  if (first === undefined || last === undefined) return [];
  return [{ ...first, end: last.end, records: ranges.reduce((sum, { records }) => sum + records, 0) }];
}
