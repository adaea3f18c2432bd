/** Rejects: pages, sums and exports of them, one with its neighbours and what became of it, edited exports that come back, and windows of raw bytes. */
import { type FilterFields, maxFilterLength } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { bytes, chunkId, contentQuery, count, filterQuery, generationNumber, instant, jobId, numberText, pageOf, pageQuery, stageName } from '../shapes.ts';

export const maxCorrectionsBytes = 64 * 1024 * 1024;
export const maxWindowBytes = 65_536;
/** Of a record in a list, in bytes; one reject shows up to a window. */
export const shownOfRecord = 256;

/** What the filter of rejects knows. The summary over jobs knows the fields of the sums only: `job name code column file age created`. */
export const rejectFields = {
  id: 'text',
  stage: 'text',
  chunk: 'number',
  code: 'text',
  column: 'text',
  file: 'text',
  record: 'number',
  line: 'number',
  offset: 'offset',
  state: 'text',
} as const satisfies FilterFields;

export const summaryFields = {
  job: 'text',
  name: 'text',
  code: 'text',
  column: 'text',
  file: 'text',
  age: 'age',
  created: 'instant',
} as const satisfies FilterFields;

export const rejectId = z
  .string()
  .regex(/^j[0-9a-hjkmnp-tv-z]{26}\.[a-z][a-z0-9]{0,31}\.(0|[1-9][0-9]{0,9})\.r[1-9][0-9]{0,9}$/, { error: 'expected a reject id: <chunkId>.r<number>' })
  .meta({ id: 'RejectId', description: 'a reject id: <chunkId>.r<number>' });

/** `replaying`: a chunk of a replay names it and has not committed. `replayed`: that chunk has committed, the record has its newest fate there. */
export const rejectStates = ['open', 'replaying', 'replayed'] as const;

const rejectErrorShape = z.strictObject({ code: z.string(), column: z.string().nullable(), byte: count.nullable(), message: z.string() });

export const rejectShape = z
  .strictObject({
    rejectId,
    jobId,
    chunkId,
    stage: stageName,
    state: z.enum(rejectStates),
    /** URI of the input; of a row of a reduce stage the name of its partition. */
    file: z.string(),
    etag: z.string(),
    /** From 1; null where nobody has counted the records before it. */
    record: count.nullable(),
    line: count.nullable(),
    byte: count.nullable(),
    byteEnd: count.nullable(),
    errorLine: count.nullable(),
    errorByte: count.nullable(),
    column: z.string().nullable(),
    columnIndex: count.nullable(),
    code: z.string(),
    message: z.string(),
    expected: z.string().nullable(),
    /** Content: null unless it is asked for. */
    value: z.string().nullable(),
    /** Length of the value, shown or not; null: there is none. */
    valueCharacters: count.nullable(),
    /** Content, in base64, from the record's beginning: null unless it is asked for. */
    raw: z.string().nullable(),
    /** Length of what is kept of the record. */
    rawBytes: bytes,
    /** Only the beginning of the record was kept. */
    rawTruncated: z.boolean(),
    errors: z.array(rejectErrorShape),
  })
  .meta({ id: 'Reject' });
export type RejectView = z.output<typeof rejectShape>;

export const rejectDetailShape = rejectShape
  .extend({
    /** What to do about its code. */
    hint: z.string(),
    /** Ids of the rejects before and behind it in the order of the job. */
    previous: rejectId.nullable(),
    next: rejectId.nullable(),
    /** Content: the record cut into fields as its file's dialect has them. Null unless content is asked for, or where nobody can say which field is which. */
    fields: z.array(z.strictObject({ name: z.string().nullable(), value: z.string() })).nullable(),
    /** The replay that took it up; null: none did. */
    replay: z
      .strictObject({
        chunkId,
        generation: generationNumber,
        correctionId: z.string(),
        by: z.string(),
        at: instant,
        reason: z.string(),
        /** Its bytes were changed before they were read again. */
        corrected: z.boolean(),
        /** Content, in base64: what was read in its place. */
        raw: z.string().nullable(),
      })
      .nullable(),
  })
  .meta({ id: 'RejectDetail' });
export type RejectDetail = z.output<typeof rejectDetailShape>;

export const summaryDimensions = ['code', 'column', 'file', 'job', 'day'] as const;

export const rejectGroupShape = z.strictObject({ key: z.string(), label: z.string(), rejects: count });

export const rejectSummaryShape = z
  .strictObject({
    filter: z.string(),
    rejects: count,
    recordsIn: count,
    jobs: count,
    /** By dimension as asked: the largest 1,000 groups each. A record with several faults counts once for each code and column. */
    by: z.strictObject(
      Object.fromEntries(summaryDimensions.map((name) => [name, z.array(rejectGroupShape).optional()])) as Record<
        (typeof summaryDimensions)[number],
        z.ZodOptional<z.ZodArray<typeof rejectGroupShape>>
      >,
    ),
    /** False: not all jobs were looked at, or sums by file of a filter by code or column are not kept. `incomplete` says which. */
    complete: z.boolean(),
    incomplete: z.string().nullable(),
  })
  .meta({ id: 'RejectSummary' });
export type RejectSummary = z.output<typeof rejectSummaryShape>;

const dimensions = z
  .string()
  .max(200)
  .prefault('code')
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(summaryDimensions, { error: `expected some of ${summaryDimensions.join(', ')}, with commas between` })).min(1));

const ofJob = { params: z.strictObject({ jobId }) };

export const rejectRoutes = [
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/rejects',
    operationId: 'listRejects',
    summary:
      'The rejects of a job in its order, masked unless content is asked for. A page may be shorter than asked while there is a next one: a filter is looked for in a bounded number of rejects at a time. With `Accept: application/x-ndjson` or `text/csv` an export of all that match',
    role: 'viewer',
    ...ofJob,
    query: z.strictObject({ ...filterQuery, ...pageQuery, ...contentQuery }),
    answers: { 200: pageOf(rejectShape).extend({ filter: z.string() }) },
    media: ['application/x-ndjson', 'text/csv'],
    errors: ['NOT_FOUND', 'FILTER_INVALID', 'CURSOR_INVALID', 'GONE'],
    content: 'rejects.show',
  }),
  defineRoute({
    method: 'GET',
    path: '/rejects/summary',
    operationId: 'summariseRejects',
    summary: 'How many rejects there are by code, column, file, job or day of their job, from the sums of jobs',
    role: 'viewer',
    query: z.strictObject({ q: z.string().max(maxFilterLength).prefault(''), by: dimensions }),
    answers: { 200: rejectSummaryShape },
    errors: ['FILTER_INVALID'],
  }),
  defineRoute({
    method: 'GET',
    path: '/rejects/{rejectId}',
    operationId: 'readReject',
    summary: 'One reject with its neighbours and what became of it',
    role: 'viewer',
    params: z.strictObject({ rejectId }),
    query: z.strictObject(contentQuery),
    answers: { 200: rejectDetailShape },
    errors: ['NOT_FOUND', 'GONE'],
    content: 'reject.show',
  }),
  defineRoute({
    method: 'POST',
    path: '/jobs/{jobId}/corrections',
    operationId: 'putCorrections',
    summary: 'Takes an edited export: rows are known by `_reject_id`. Nothing runs before a replay names the set',
    role: 'steward',
    ...ofJob,
    accepts: ['application/x-ndjson', 'text/csv'],
    bodyLimit: maxCorrectionsBytes,
    answers: {
      201: z.strictObject({
        correctionId: z.string(),
        matched: count,
        unchanged: count,
        /** Changed cells by column. */
        changedCells: z.record(z.string(), count),
        byCode: z.record(z.string(), count),
        /** Rejects of the export that cannot be replayed: the first 1,000, and how many there are. */
        cannot: z.array(z.strictObject({ rejectId: z.string(), reason: z.string() })),
        cannotTotal: count,
      }),
    },
    errors: ['NOT_FOUND', 'GONE', 'STATE_CONFLICT', 'REJECT_UNKNOWN', 'PLAN_EMPTY', 'REQUEST_MEDIA_TYPE', 'REQUEST_TOO_LARGE'],
    act: 'corrections.put',
    ownKey: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/bytes',
    operationId: 'readBytes',
    summary:
      'At most 64 KiB of an input file at the version that the job has pinned; offsets are those of its decompressed stream. `Content-Range` says what was read',
    role: 'steward',
    ...ofJob,
    query: z.strictObject({
      file: numberText(0, 9_999_999).prefault(0),
      offset: numberText(0, Number.MAX_SAFE_INTEGER).prefault(0),
      length: numberText(1, maxWindowBytes).prefault(4_096),
    }),
    answers: { 206: null },
    media: ['application/octet-stream'],
    errors: ['NOT_FOUND', 'GONE', 'INPUT_CHANGED', 'INPUT_NOT_FOUND', 'RANGE_NOT_SATISFIABLE', 'STORAGE_UNAVAILABLE'],
    view: 'bytes.show',
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/record',
    operationId: 'readRecord',
    summary: 'A record of an input file by its number, or the one that a byte lies in, cut into fields and with what is wrong with it',
    role: 'steward',
    ...ofJob,
    query: z.strictObject({
      file: numberText(0, 9_999_999).prefault(0),
      record: numberText(1, Number.MAX_SAFE_INTEGER).optional(),
      byte: numberText(0, Number.MAX_SAFE_INTEGER).optional(),
    }),
    answers: {
      200: z
        .strictObject({
          file: count,
          uri: z.string(),
          chunk: z.string(),
          record: count,
          line: count.nullable(),
          byte: count.nullable(),
          byteEnd: count.nullable(),
          fields: z.array(z.strictObject({ name: z.string().nullable(), value: z.string() })),
          /** Base64, at most 64 KiB. */
          raw: z.string(),
          rawTruncated: z.boolean(),
          /** Null: the record can be read. */
          reject: z.strictObject({ code: z.string().nullable(), hint: z.string(), errors: z.array(rejectErrorShape) }).nullable(),
        })
        .meta({ id: 'RecordView' }),
    },
    errors: ['NOT_FOUND', 'GONE', 'INPUT_CHANGED', 'INPUT_NOT_FOUND', 'RANGE_NOT_SATISFIABLE', 'STORAGE_UNAVAILABLE'],
    view: 'record.show',
  }),
] as const;
