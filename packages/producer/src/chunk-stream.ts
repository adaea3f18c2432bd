/**
 * A job whose producer names its chunks. They go out in batches and are durable when `enqueueChunks` has counted them. Never more than one batch is held
 * here: the source is asked for the next chunk only while few enough of those accepted are unfinished and Redis has room.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type JobId, maxBatchChunks, maxChunkKeyLength, maxInlinePayloadBytes, type SentChunk } from '@millrace/protocol';
import { ask, type CallOptions, type Connection } from './connection.ts';
import { AckTimeoutError, MillraceError, UnavailableError } from './errors.ts';
import { type JobHandle, jobHandle } from './job-handle.ts';

/** `range` is `[start, end)` in bytes, all of the object when not given; `records`: how many are in it, held against what is read. */
export type ChunkInput = { readonly key: string; readonly records?: number } & (
  | { readonly uri: string; readonly range?: readonly [start: number, end: number]; readonly etag?: string }
  | { readonly inline: Uint8Array | string }
);

export interface EnqueueOptions {
  /** Chunks that may be accepted and unfinished before the source is asked for more; 10,000 when not given. */
  readonly maxAhead?: number;
  /** Told again and again while it waits. `waitedMs`: so far in this call. */
  readonly onWait?: (wait: { readonly ahead: number; readonly waitedMs: number }) => void;
  /** Ends the call; what was accepted stays accepted. */
  readonly signal?: AbortSignal;
}

export interface Enqueued {
  readonly accepted: number;
  /** Sent before with the same content. Of a batch that had to be sent again because no answer came, its own chunks may count as such. */
  readonly duplicates: number;
  readonly waitedMs: number;
}

export interface JobStream extends JobHandle {
  enqueueChunks(chunks: Iterable<ChunkInput> | AsyncIterable<ChunkInput>, options?: EnqueueOptions): Promise<Enqueued>;
  /** No more chunks: the job ends when these are done. Totals that do not hold are refused, and the stream stays open. */
  seal(expected?: { readonly chunks?: number; readonly bytes?: number }, options?: CallOptions): Promise<JobHandle>;
}

const MAX_AHEAD = 10_000;
/** Of payloads in one batch: half of what one may hold, for base64 and JSON cost as much again on the way. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** A chunk waits so long for others that go with it. */
const LINGER_MS = 50;
const LEAST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;
/** A batch is sent so often when no scheduler answers; each time is waited for as long as any call. */
const MOST_TRIES = 3;
/** Redis may be away for so long. */
const MOST_FAILING_MS = 30_000;

export function jobStream(connection: Connection, jobId: JobId, replayed: boolean): JobStream {
  return {
    ...jobHandle(connection, jobId, replayed),
    enqueueChunks: (chunks, options = {}) => new Enqueuing(connection, jobId, options).run(chunks),
    seal: async ({ chunks, bytes } = {}, options = {}) => {
      const body = { kind: 'seal', jobId, chunks: chunks ?? null, bytes: bytes ?? null } as const;
      const answer = await ask(connection, body, options, () => unanswered(jobId, 'sealed'));
      return jobHandle(connection, jobId, answer.replayed);
    },
  };
}

const unanswered = (jobId: JobId, what: string): AckTimeoutError =>
  new AckTimeoutError(jobId, `no scheduler answered in time: whether it was ${what} is unknown. Do the same again: nothing is taken twice`);

/** One call of `enqueueChunks`. */
class Enqueuing {
  readonly #connection: Connection;
  readonly #jobId: JobId;
  readonly #options: EnqueueOptions;
  readonly #signal: AbortSignal;
  #accepted = 0;
  #duplicates = 0;
  #waitedMs = 0;

  constructor(connection: Connection, jobId: JobId, options: EnqueueOptions) {
    this.#connection = connection;
    this.#jobId = jobId;
    this.#options = options;
    this.#signal = AbortSignal.any([connection.closed.signal, ...(options.signal ? [options.signal] : [])]);
  }

  async run(chunks: Iterable<ChunkInput> | AsyncIterable<ChunkInput>): Promise<Enqueued> {
    const { maxAhead = MAX_AHEAD } = this.#options;
    if (!(maxAhead >= 1)) throw new MillraceError('REQUEST_INVALID', `cannot enqueue chunks: expected maxAhead of at least 1, got ${maxAhead}`);
    let ahead = 0;
    for await (const batch of batchesOf(chunks, () => Math.min(maxBatchChunks, Math.max(1, maxAhead - ahead)), this.#signal)) {
      const answer = await this.#send(batch);
      this.#accepted += answer.accepted;
      this.#duplicates += answer.duplicates;
      ahead = answer.ahead >= maxAhead ? await this.#waitBelow(maxAhead, answer.ahead) : answer.ahead;
    }
    this.#signal.throwIfAborted();
    return { accepted: this.#accepted, duplicates: this.#duplicates, waitedMs: Math.round(this.#waitedMs) };
  }

  async #waitBelow(maxAhead: number, first: number): Promise<number> {
    let ahead = first;
    for (let turn = 0; ahead >= maxAhead; turn++) {
      await this.#wait(turn, ahead);
      ahead = (await this.#send([])).ahead;
    }
    return ahead;
  }

  /** Until it is answered: a scheduler that is busy, rebuilds or has died is asked again. Keys make that harmless. */
  async #send(chunks: readonly SentChunk[]): Promise<{ accepted: number; duplicates: number; ahead: number }> {
    let unansweredTimes = 0;
    let failingSince: number | null = null;
    for (let turn = 0; ; turn++) {
      try {
        const body = { kind: 'chunks' as const, jobId: this.#jobId, chunks: [...chunks] };
        return await ask(this.#connection, body, { signal: this.#signal }, () => unanswered(this.#jobId, 'accepted'));
      } catch (error) {
        if (this.#signal.aborted || !(error instanceof MillraceError) || !error.retryable) throw error;
        if (error instanceof AckTimeoutError && ++unansweredTimes >= MOST_TRIES) throw error;
        if (error instanceof UnavailableError) failingSince ??= performance.now();
        if (failingSince !== null && performance.now() - failingSince > MOST_FAILING_MS) throw error;
        await this.#wait(turn, 0);
      }
    }
  }

  async #wait(turn: number, ahead: number): Promise<void> {
    const startedAt = performance.now();
    const most = Math.min(LONGEST_WAIT_MS, LEAST_WAIT_MS * 2 ** turn);
    await delay(most / 2 + randomInt(Math.ceil(most / 2)), undefined, { signal: this.#signal });
    this.#waitedMs += performance.now() - startedAt;
    this.#options.onWait?.({ ahead, waitedMs: Math.round(this.#waitedMs) });
  }
}

/** Batches of at most `room()` chunks and about so many bytes; one that is not full goes out when the source has nothing for a moment. */
async function* batchesOf(
  chunks: Iterable<ChunkInput> | AsyncIterable<ChunkInput>,
  room: () => number,
  signal: AbortSignal,
): AsyncGenerator<readonly SentChunk[], void, undefined> {
  const source = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  let batch: SentChunk[] = [];
  let bytes = 0;
  let next: Promise<IteratorResult<ChunkInput>> | null = null;
  let isOver = false;
  try {
    while (!isOver) {
      signal.throwIfAborted();
      next ??= Promise.resolve(source.next());
      const came = batch.length === 0 ? await orAborted(next, signal) : await within(next, LINGER_MS);
      if (came !== null) {
        next = null;
        isOver = came.done === true;
        if (!isOver) {
          const sent = sentChunk(came.value);
          batch.push(sent);
          bytes += 'inline' in sent ? sent.inline.length : 0;
        }
      }
      const isFull = batch.length >= room() || bytes * 0.75 >= BATCH_BYTES - maxInlinePayloadBytes;
      if (batch.length === 0 || !(isFull || isOver || came === null)) continue;
      yield batch;
      batch = [];
      bytes = 0;
    }
  } finally {
    // A chunk that is still being fetched is not waited for: its source may never give it.
    if (!isOver) void Promise.resolve(source.return?.()).catch(() => undefined);
    next?.catch(() => undefined);
  }
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const stop = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: stop.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    stop.abort();
  }
}

/** Null when nothing came in time. A source that has its next chunk at hand answers before the timer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Throws `REQUEST_INVALID` for what no scheduler would take. */
function sentChunk(chunk: ChunkInput): SentChunk {
  const { key, records = null } = chunk;
  const invalid = (what: string): MillraceError => new MillraceError('REQUEST_INVALID', `cannot enqueue chunk ${JSON.stringify(key)}: ${what}`);
  if (typeof key !== 'string' || key.length < 1 || key.length > maxChunkKeyLength) throw invalid(`expected a key of 1 to ${maxChunkKeyLength} characters`);
  if (records !== null && !(Number.isSafeInteger(records) && records >= 0)) throw invalid(`expected a number of records, got ${records}`);
  if ('inline' in chunk) {
    const bytes = typeof chunk.inline === 'string' ? Buffer.from(chunk.inline, 'utf8') : Buffer.from(chunk.inline);
    if (bytes.length > maxInlinePayloadBytes) throw invalid(`expected at most ${maxInlinePayloadBytes} bytes inline, got ${bytes.length}`);
    return { key, records, inline: bytes.toString('base64') };
  }
  const { uri, range, etag = null } = chunk;
  const isOffset = (offset: unknown): boolean => Number.isSafeInteger(offset) && (offset as number) >= 0;
  if (range !== undefined && !(range.length === 2 && range.every(isOffset) && range[0] <= range[1]))
    throw invalid(`expected a range [start, end) of bytes, got ${JSON.stringify(range)}`);
  return { key, records, uri, range: range === undefined ? null : [range[0], range[1]], etag };
}
