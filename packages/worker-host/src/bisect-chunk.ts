/** Bisects a chunk on cores: trials of ranges, each of which may kill its core, until the records to leave out are known. */
import { CoreGoneError, type CoreProcess } from '@millrace/core-client';
import { type Chunk, chunkBytes, type FileChunk, fileShares, plannedRecords } from '@millrace/protocol';
import type { ExcludedRange } from '@millrace/protocol/wire';
import { findPoison, type PoisonRecord, type RecordRange } from './bisect.ts';
import { type ClassifiedFailure, classifyCode } from './classify.ts';
import { attemptDeadlineMs } from './deadline.ts';
import type { ChunkRun } from './execute-chunk.ts';
import { type ChunkTry, deadlineOf, endOfStop, type RunResult, runOnce } from './run-once.ts';

const CUTS_DEADLINE_MS = 120_000;

/** What to exclude, or how the attempt ends when that cannot be found out. */
export async function bisectChunk(tried: ChunkTry): Promise<{ readonly excluded: readonly ExcludedRange[] } | { readonly end: ChunkRun }> {
  const { chunk, bytes, spec } = tried.work;
  const { clock } = tried.host;
  const overAt = clock.monotonicMs() + attemptDeadlineMs(bytes, spec.execution.attemptTimeLimit, true);
  try {
    const whole = isSent(chunk) ? await wholeOfSent(tried) : wholeOf(chunk);
    const bisection = await findPoison(whole, {
      trial: (range) => trial(tried, range),
      halve: async (range) => (chunk.kind === 'rows' || isSent(chunk) ? halvesOfRecords(range) : halveBytes(tried, range)),
      isOver: () => clock.monotonicMs() >= overAt,
    });
    tried.host.metrics.recordBisection('found' in bisection ? 'isolated' : 'gave_up');
    if ('found' in bisection) return { excluded: bisection.found.map(excludedRange) };
    const { start, end } = bisection.gaveUp;
    const message = `bisecting gave up after ${bisection.coreStarts} cores; the smallest range that fails is ${unitOf(chunk)} ${start} to ${end}`;
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

const runTrial = (tried: ChunkTry, { start, end, record, line }: Omit<RecordRange, 'records'>): Promise<RunResult> =>
  runOnce(tried, { mode: 'trial', range: { start, end, record, line }, excluded: [] }, deadlineOf(tried));

async function trial(tried: ChunkTry, range: RecordRange): Promise<string | null> {
  const result = await runTrial(tried, range);
  if (result.kind === 'stopped') throw new EndOfBisection(endOfStop(tried, result.reason));
  if (result.kind === 'done') return null;
  const { failure } = result;
  if (failure.class === 'crash' || failure.class === 'resource') return failure.code;
  throw new EndOfBisection(failedRun(tried, failure));
}

/** A producer sent it, as a payload or as a range of an object: nobody knows its records before a core has read them. */
const isSent = (chunk: Chunk): boolean => chunk.kind === 'inline' || chunk.kind === 'given';

/** How many records there are is what a trial of none of them counts; a core that dies of reading alone ends the bisection. */
async function wholeOfSent(tried: ChunkTry): Promise<RecordRange> {
  const result = await runTrial(tried, { start: 0, end: 0, record: 1, line: 1 });
  if (result.kind === 'stopped') throw new EndOfBisection(endOfStop(tried, result.reason));
  if (result.kind === 'failed') throw new EndOfBisection(failedRun(tried, result.failure));
  return numbered(0, result.done.counts.recordsIn);
}

const unitOf = (chunk: Chunk): string => (chunk.kind === 'rows' || isSent(chunk) ? 'records' : 'bytes');

/** Rejects know two codes for records that were not survived; a hang or a limit of time is a crash to the reader of the reject. */
const excludedRange = ({ range: { start, end }, code }: PoisonRecord): ExcludedRange => ({ start, end, code: code === 'CORE_MEMORY' ? code : 'CORE_CRASH' });

/** Rows have no lines; the core takes any number for theirs. A group is cut as if its files stood one after another. */
const wholeOf = (chunk: Chunk): RecordRange => {
  const records = plannedRecords(chunk) ?? 0;
  if (chunk.kind === 'range') return { start: chunk.start, end: chunk.end, record: chunk.record, line: chunk.line, records };
  return chunk.kind === 'rows' ? numbered(chunk.start, chunk.end) : startingAt(0, chunkBytes(chunk), records);
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

/** Records `[start, end)` of a file of columns, or of a chunk that a producer sent; neither has lines to count. */
const numbered = (start: number, end: number): RecordRange => ({ start, end, record: start + 1, line: 1, records: end - start });

/** What is counted by records can be cut anywhere. */
export function halvesOfRecords({ start, end }: RecordRange): readonly RecordRange[] {
  const middle = start + Math.floor((end - start) / 2);
  return middle === start ? [] : [numbered(start, middle), numbered(middle, end)];
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
