/** Chunks and their attempts: the list of a job, one chunk with its receipt, every attempt with its full record, and the end of a wait. */
import { chunkModes, chunkStates, type FilterFields } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import {
  attemptId,
  bytes,
  chunkId,
  contentQuery,
  count,
  filteredPageOf,
  filterQuery,
  fingerprint,
  generationNumber,
  instant,
  jobId,
  numberText,
  pageQuery,
  reason,
  stageName,
} from '../shapes.ts';

/** What the filter of a list of chunks knows. Codes, classes, fingerprints and workers are those of chunks that failed or run. */
export const chunkFields = {
  id: 'text',
  stage: 'text',
  state: 'text',
  file: 'text',
  generation: 'number',
  offset: 'offset',
  record: 'offset',
  records: 'number',
  bytes: 'size',
  code: 'text',
  class: 'text',
  fingerprint: 'text',
  worker: 'text',
  attempts: 'number',
  rejects: 'number',
} as const satisfies FilterFields;

export const chunkKinds = ['range', 'files', 'rows', 'inline', 'given', 'partition'] as const;

const place = {
  /** Number of the first file that it reads; null of payloads, ranges that a producer named, and partitions. */
  file: count.nullable(),
  /** How many files it reads. */
  files: count,
  uri: z.string().nullable(),
  /** Offsets in its file, rows of a file of columns; the end is exclusive. */
  start: count.nullable(),
  end: count.nullable(),
  /** Number of its first record in the file, from 1. */
  record: count.nullable(),
  records: count.nullable(),
  bytes,
};

export const chunkShape = z
  .strictObject({
    chunkId,
    jobId,
    stage: stageName,
    index: count,
    kind: z.enum(chunkKinds),
    /** It reads rejected records once more. */
    isReplay: z.boolean(),
    state: z.enum(chunkStates),
    /** The newest one whose plan lists it. */
    generation: generationNumber,
    ...place,
    /** Null: not known before the generation ends. */
    rejects: count.nullable(),
    /** Attempts that failed in this generation; null of a committed chunk, of which only its attempts tell. */
    attempts: count.nullable(),
    /** Of the last failure, or of its dead letter. */
    code: z.string().nullable(),
    class: z.string().nullable(),
    fingerprint: fingerprint.nullable(),
    /** Of the running attempt, or of the last one of a dead chunk. */
    worker: z.string().nullable(),
    /** Of the running attempt. */
    startedAt: instant.nullable(),
    bytesDone: bytes.nullable(),
    recordsDone: count.nullable(),
    /** Of a chunk that is `retrying`; null: not decided yet. */
    retryAt: instant.nullable(),
    deadLetterId: z.string().nullable(),
  })
  .meta({ id: 'Chunk' });
export type ChunkRow = z.output<typeof chunkShape>;

const counts = z.record(z.string(), count);
const part = z.strictObject({ uri: z.string(), rows: count, bytes, sha256: z.string() });

export const receiptShape = z
  .strictObject({
    attemptId,
    generation: generationNumber,
    coreVersion: z.string(),
    resultVersion: z.int(),
    counts: z.strictObject({
      recordsIn: count,
      emitted: count,
      filtered: count,
      deduplicated: count,
      rejected: count,
      rowsOut: count,
      repaired: count,
      bytesIn: bytes,
      blankLines: count,
      commentLines: count,
      suspectRecords: count,
      damagedBytes: bytes,
      damagedLines: count,
    }),
    byCode: counts,
    byColumn: z.record(z.string(), counts),
    repairs: counts,
    parts: z.array(part),
    rejects: z.array(part),
    /** Rows handed on to another stage, in place of parts. */
    exchange: z.strictObject({ bytes, partitions: count, rows: count }).nullable(),
    /** Files of a group that could not be read any more. */
    unread: z.array(z.strictObject({ file: count, code: z.string(), message: z.string() })),
  })
  .meta({ id: 'Receipt' });

export const positionShape = z.strictObject({
  file: count.nullable(),
  uri: z.string().nullable(),
  record: count.nullable(),
  line: count.nullable(),
  byte: count.nullable(),
});

/** The full record of an attempt that did not commit. */
export const failureRecordShape = z
  .strictObject({
    class: z.string(),
    code: z.string(),
    message: z.string(),
    /** What to do about this code. */
    hint: z.string(),
    causes: z.array(z.string()),
    /** Without the excerpt of data that they may hold, unless content is asked for. */
    details: z.record(z.string(), z.unknown()),
    fingerprint: z.string(),
    range: z.strictObject({ uri: z.string(), etag: z.string().nullable(), start: count, end: count }).nullable(),
    position: positionShape.nullable(),
    exitCode: z.int().nullable(),
    signal: z.string().nullable(),
    peakRssBytes: bytes.nullable(),
    /** The last words of the core: content. Null when there are none, or when they are not shown. */
    stderrTail: z.string().nullable(),
    /** How long they are, shown or not. */
    stderrTailCharacters: count,
    backtrace: z.string().nullable(),
  })
  .meta({ id: 'FailureRecord' });

export const attemptShape = z
  .strictObject({
    attemptId,
    generation: generationNumber,
    outcome: z.enum(['running', 'committed', 'failed', 'lost', 'superseded', 'released', 'cancelled']),
    mode: z.enum(chunkModes).nullable(),
    worker: z.string().nullable(),
    pod: z.string().nullable(),
    node: z.string().nullable(),
    coreVersion: z.string().nullable(),
    startedAt: instant.nullable(),
    /** Null of a committed attempt: its receipt does not say. */
    endedAt: instant.nullable(),
    bytesDone: bytes.nullable(),
    recordsDone: count.nullable(),
    /** Null of attempts that run or committed. */
    failure: failureRecordShape.nullable(),
  })
  .meta({ id: 'Attempt' });
export type AttemptRow = z.output<typeof attemptShape>;

export const chunkDetailShape = chunkShape
  .extend({
    /** Of a group of small files: the first 200. */
    shares: z.array(z.strictObject({ file: count, uri: z.string(), start: count, end: count, record: count.nullable(), records: count.nullable() })),
    /** Of payloads: the keys of the first 200. */
    keys: z.array(z.string()),
    partition: count.nullable(),
    /** Null: it has not committed. */
    receipt: receiptShape.nullable(),
    /** The newest 50, newest first; `/attempts` has all. */
    history: z.array(attemptShape.omit({ failure: true }).extend({ code: z.string().nullable(), message: z.string().nullable() })),
  })
  .meta({ id: 'ChunkDetail' });
export type ChunkDetail = z.output<typeof chunkDetailShape>;

const chunkParams = z.strictObject({ jobId, stage: stageName, index: numberText(0, 9_999_999_999) });

export const chunkRoutes = [
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/chunks',
    operationId: 'listChunks',
    summary: 'The chunks of a job by index',
    role: 'viewer',
    params: z.strictObject({ jobId }),
    query: z.strictObject({ ...filterQuery, ...pageQuery }),
    answers: { 200: filteredPageOf(chunkShape) },
    errors: ['NOT_FOUND', 'GONE', 'FILTER_INVALID', 'CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/chunks/{stage}/{index}',
    operationId: 'readChunk',
    summary: 'One chunk with its range, its receipt and its attempts',
    role: 'viewer',
    params: chunkParams,
    answers: { 200: chunkDetailShape },
    errors: ['NOT_FOUND', 'GONE'],
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/chunks/{stage}/{index}/attempts',
    operationId: 'listAttempts',
    summary:
      'Every attempt at a chunk with its full record, newest first; one that runs stands first. Stage `plan` and `finish`: those of planning and finishing',
    role: 'viewer',
    params: chunkParams,
    query: z.strictObject({ ...pageQuery, ...contentQuery }),
    answers: { 200: z.strictObject({ data: z.array(attemptShape), nextCursor: z.string().nullable(), total: count.nullable() }) },
    errors: ['NOT_FOUND', 'GONE', 'CURSOR_INVALID'],
    content: 'attempt.show',
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/chunks/{stage}/{index}/attempts/{attemptId}',
    operationId: 'readAttempt',
    summary: 'One attempt with its full record',
    role: 'viewer',
    params: chunkParams.extend({ attemptId }),
    query: z.strictObject(contentQuery),
    answers: { 200: attemptShape },
    errors: ['NOT_FOUND', 'GONE'],
    content: 'attempt.show',
  }),
  defineRoute({
    method: 'POST',
    path: '/jobs/{jobId}/chunks/{stage}/{index}/retry-now',
    operationId: 'retryChunkNow',
    summary: 'Ends the wait of a chunk that is `retrying`',
    role: 'operator',
    params: chunkParams,
    body: z.strictObject({ reason: reason.prefault('') }),
    bodyOptional: true,
    answers: { 202: z.strictObject({ chunkId, state: z.enum(chunkStates), retryAt: instant.nullable() }) },
    errors: ['NOT_FOUND', 'GONE', 'STATE_CONFLICT', 'REBUILDING'],
    act: 'chunk.retryNow',
  }),
] as const;
