/** Jobs: submit, check, list, read, steer. */
import { chunkStates, jobStates, maxIdempotencyKeyLength, maxSpecBytes } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { balance, bytes, count, filteredPageOf, filterQuery, instant, jobId, pageQuery, reason } from '../shapes.ts';

export const jobStateShape = z.enum(jobStates).meta({ id: 'JobState' });

const chunkCounts = z.strictObject(
  Object.fromEntries([...chunkStates, 'total' as const].map((state) => [state, count])) as Record<(typeof chunkStates)[number] | 'total', typeof count>,
);

const evidence = z.strictObject({
  budget: z.string(),
  subject: z.string().nullable(),
  value: count,
  of: count.nullable(),
  limit: z.number().min(0),
  codes: z.record(z.string(), count),
  /** Places and codes, never what stood there. */
  samples: z.array(
    z.union([
      z.strictObject({ rejectId: z.string(), file: z.string(), record: count, line: count.nullable(), column: z.string().nullable(), code: z.string() }),
      z.strictObject({ deadLetterId: z.string(), code: z.string(), message: z.string() }),
    ]),
  ),
});

export const jobFailureShape = z.strictObject({ code: z.string(), message: z.string(), evidence: evidence.optional() }).meta({ id: 'JobFailure' });

const statusFields = {
  jobId,
  name: z.string(),
  state: jobStateShape,
  generation: z.int().min(1),
  /** What a job that does not move waits for; null while it moves. */
  waitingFor: z.string().nullable(),
  /** All chunks are known. */
  sealed: z.boolean(),
  chunks: chunkCounts,
  bytes: z.strictObject({ total: bytes, done: bytes }),
  balance,
  bytesPerSecond: z.number().min(0),
  etaSeconds: z.number().min(0).nullable(),
  failure: jobFailureShape.nullable(),
};

export const stageStatusShape = z.strictObject({
  name: z.string(),
  kind: z.enum(['map', 'reduce']),
  chunks: z.strictObject({ total: count, committed: count, dead: count }),
  recordsIn: count,
  rowsOut: count,
});

/** What is known of a job beside its status. */
const jobFields = {
  tenant: z.string(),
  labels: z.record(z.string(), z.string()),
  acceptedAt: instant,
  /** Of the newest generation; null while it runs. */
  endedAt: instant.nullable(),
  /** From accepted to ended, of the newest generation; null while it runs. */
  durationMs: count.nullable(),
};

export const jobSummaryShape = z.strictObject({ ...statusFields, ...jobFields }).meta({ id: 'JobSummary' });
export type JobSummary = z.output<typeof jobSummaryShape>;

const budgetUse = z.strictObject({
  /** Its place in the spec, such as `rejects.maxRatio`. */
  budget: z.string(),
  /** The file, column or pattern of codes that it is about; null: the whole job. */
  subject: z.string().nullable(),
  /** Rejects, dead chunks or dead bytes. */
  value: count,
  /** Of a ratio: the records or bytes that `value` is measured against. */
  of: count.nullable(),
  /** A ratio where `of` is a number, else a count. */
  limit: z.number().min(0),
});

export const jobShape = z
  .strictObject({
    ...statusFields,
    ...jobFields,
    /** In running order. */
    stages: z.array(stageStatusShape),
    description: z.string().nullable(),
    idempotencyKey: z.string().max(maxIdempotencyKeyLength).nullable(),
    resultVersion: z.int().min(1),
    specDigest: z.string(),
    inputs: z.strictObject({ files: count, bytes }),
    outputUri: z.string(),
    rejectsUri: z.string(),
    priority: z.int().min(0).max(9),
    /** How much of each budget of the spec is used, as far as it is known: of a job that runs, the ledger knows. */
    budgets: z.array(budgetUse),
    /** `ledger`: as of now. `journal`: Redis is away, or the job ended; counts of a job that runs are then those of chunks that have an outcome. */
    source: z.enum(['ledger', 'journal']),
  })
  .meta({ id: 'Job' });
export type Job = z.output<typeof jobShape>;

/** A short answer about a job that was asked something. */
const jobStateAnswer = z.strictObject({ jobId, state: jobStateShape, generation: z.int().min(1) }).meta({ id: 'JobAnswer' });

export const jobResultShape = z
  .strictObject({
    jobId,
    generation: z.int().min(1),
    manifestUri: z.string(),
    outputUri: z.string(),
    rejectsUri: z.string(),
    balance,
    parts: count,
    rows: count,
    bytes,
    gaps: count,
    durationMs: count,
    /** The first 1,000; the manifest has all. */
    files: z.array(z.strictObject({ uri: z.string(), balance })),
  })
  .meta({ id: 'JobResult' });
export type JobResult = z.output<typeof jobResultShape>;

const scalar = z.union([z.string().max(4_096), z.number(), z.boolean(), z.null()]);
const writtenSpec = z.record(z.string(), z.unknown()).meta({
  id: 'JobSpec',
  description: `A job spec, at most ${maxSpecBytes} bytes. It is checked by its own schema, which tells every issue at once.`,
});
/** What is submitted, and what is checked before. */
export const submittedSpec = z.strictObject({ spec: writtenSpec, params: z.record(z.string().max(128), scalar).optional() });
const jobParams = z.strictObject({ jobId });
const steer = <const Word extends 'pause' | 'resume' | 'cancel'>(word: Word, summary: string) =>
  ({
    method: 'POST',
    path: `/jobs/{jobId}/${word}` as `/jobs/{jobId}/${Word}`,
    operationId: `${word}Job`,
    summary,
    role: 'operator',
    params: jobParams,
    body: z.strictObject({ reason: reason.prefault('') }),
    bodyOptional: true,
    answers: { 202: jobStateAnswer },
    errors: ['NOT_FOUND', 'STATE_CONFLICT', 'REASON_REQUIRED'],
    act: `job.${word}` as `job.${Word}`,
  }) as const;

export const jobRoutes = [
  defineRoute({
    method: 'POST',
    path: '/jobs',
    operationId: 'submitJob',
    summary: 'Submits a job; with `Idempotency-Key` the same key and spec name the same job for as long as it is kept',
    role: 'operator',
    body: submittedSpec.extend({
      /** `journal`: answered when the job is durable. `queue`: when Redis has the request. */
      ack: z.enum(['journal', 'queue']).prefault('journal'),
    }),
    answers: { 200: jobStateAnswer.extend({ replayed: z.boolean() }), 202: jobStateAnswer.extend({ replayed: z.boolean() }) },
    errors: [
      'KEY_CONFLICT',
      'REQUEST_TOO_LARGE',
      'QUOTA_EXCEEDED',
      'SPEC_UNKNOWN_FIELD',
      'SPEC_MISSING_FIELD',
      'SPEC_WRONG_TYPE',
      'SPEC_OUT_OF_RANGE',
      'SPEC_BAD_VALUE',
      'SPEC_CONFLICT',
      'SPEC_TENANT_DENIED',
      'SPEC_SCHEDULE_HERE',
    ],
    act: 'job.submit',
    ownKey: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs',
    operationId: 'listJobs',
    summary: 'Jobs by filter, newest first',
    role: 'viewer',
    query: z.strictObject({ ...filterQuery, ...pageQuery }),
    answers: { 200: filteredPageOf(jobSummaryShape) },
    errors: ['FILTER_INVALID', 'CURSOR_INVALID', 'REBUILDING'],
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}',
    operationId: 'readJob',
    summary: 'A job: its state, counts, and how much of its budgets is used',
    role: 'viewer',
    params: jobParams,
    answers: { 200: jobShape },
    errors: ['NOT_FOUND', 'GONE'],
    etag: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/result',
    operationId: 'readResult',
    summary: 'The result of a completed job; `wait` holds the answer back until the job ends',
    role: 'viewer',
    params: jobParams,
    query: z.strictObject({
      /** Such as `30s`; at most a minute. */
      wait: z
        .string()
        .regex(/^(\d{1,5}ms|[1-5]?\ds|60s|1m)$/, { error: 'expected a duration such as 30s, at most 1m' })
        .prefault('0s'),
    }),
    answers: { 200: jobResultShape, 202: jobStateAnswer },
    errors: ['NOT_FOUND', 'JOB_FAILED', 'JOB_CANCELLED'],
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/spec',
    operationId: 'readSpec',
    summary: 'The resolved spec, its digest, and what was probed of the inputs',
    role: 'viewer',
    params: jobParams,
    answers: {
      200: z
        .strictObject({
          spec: z.record(z.string(), z.unknown()),
          specDigest: z.string(),
          generation: z.int().min(1),
          /** Null before planning. */
          pins: z.record(z.string(), z.unknown()).nullable(),
          pinsDigest: z.string().nullable(),
        })
        .meta({ id: 'ResolvedSpec' }),
    },
    errors: ['NOT_FOUND'],
    etag: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/manifest',
    operationId: 'readManifest',
    summary: 'The manifest of a generation that ended, of the newest when none is named; or one of the pages that it names',
    role: 'viewer',
    params: jobParams,
    query: z.strictObject({
      generation: z
        .string()
        .regex(/^[1-9][0-9]{0,5}$/, { error: 'expected a generation from 1' })
        .transform(Number)
        .optional(),
      /** Of a job with very many parts or files: a `name` of the manifest's `pages`. */
      page: z.string().max(64).optional(),
    }),
    answers: { 200: z.record(z.string(), z.unknown()).meta({ id: 'Manifest', description: 'The record as it stands in the journal: docs/records.md' }) },
    errors: ['NOT_FOUND'],
    etag: true,
  }),
  defineRoute(steer('pause', 'No further chunk is begun; those in hand are handed back')),
  defineRoute(steer('resume', 'Takes a pause back')),
  defineRoute(steer('cancel', 'Ends the job; what is committed stays, nothing is published')),
] as const;
