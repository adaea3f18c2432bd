/** A job looked at closely: what happened to it, its stages, its files, and the strip that shows where in a file what state is. */
import { chunkStates, jobStates } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { balance, bytes, count, generationNumber, instant, jobId, numberText, pageOf, pageQuery, stageName } from '../shapes.ts';

export const maxStripCells = 2_000;

/** Why a generation, or a piece of work, ended otherwise than it should. */
export const failureShape = z.strictObject({ code: z.string(), message: z.string() });

const moment = { at: instant, generation: generationNumber };

export const timelineEntryShape = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('accepted'), ...moment, files: count, bytes }),
    z.strictObject({
      kind: z.literal('command'),
      ...moment,
      number: count,
      command: z.enum(['redrive', 'replay', 'waive', 'cancel', 'pause', 'resume', 'retire']),
      by: z.string(),
      reason: z.string(),
      /** The generation that it opens. */
      opens: generationNumber.nullable(),
      /** How many chunks it names; null: all without a receipt, or none. */
      items: count.nullable(),
      correctionId: z.string().nullable(),
      operationId: z.string().nullable(),
      /** It changes the spec of the generation that it opens. */
      overrides: z.boolean(),
    }),
    z.strictObject({ kind: z.literal('state'), ...moment, state: z.enum(jobStates) }),
    z.strictObject({ kind: z.literal('dead'), ...moment, chunk: z.string(), code: z.string(), fingerprint: z.string() }),
    z.strictObject({ kind: z.literal('warning'), ...moment, code: z.string(), message: z.string() }),
    z.strictObject({
      kind: z.literal('ended'),
      ...moment,
      state: z.enum(['completed', 'failed', 'cancelled']),
      failure: failureShape.nullable(),
      rejected: count,
      gaps: count,
    }),
    z.strictObject({
      kind: z.literal('callback'),
      ...moment,
      event: z.string(),
      url: z.string(),
      state: z.enum(['pending', 'delivered', 'givenUp']),
      tries: count,
      /** HTTP status of the last try. */
      status: z.int().nullable(),
    }),
  ])
  .meta({ id: 'TimelineEntry' });
export type TimelineEntry = z.output<typeof timelineEntryShape>;

export const chunkCountsShape = z.strictObject({
  total: count,
  ...(Object.fromEntries(chunkStates.map((state) => [state, count])) as Record<(typeof chunkStates)[number], typeof count>),
});

export const jobStageShape = z
  .strictObject({
    name: stageName,
    kind: z.enum(['map', 'reduce']),
    /** Inputs that a map stage reads, or stages that a reduce stage reads. */
    from: z.array(z.string()),
    chunks: z.strictObject({ total: count, committed: count, dead: count }),
    /** Of records in a map stage, of rows in a reduce stage; null while nothing is known of it. */
    balance: balance.nullable(),
    /** It is planned to its end. */
    sealed: z.boolean(),
  })
  .meta({ id: 'JobStage' });
export type JobStageView = z.output<typeof jobStageShape>;

export const jobFileShape = z
  .strictObject({
    /** Number of the file in the job, from 0. */
    file: count,
    /** Name of its input. */
    input: z.string(),
    uri: z.string(),
    etag: z.string(),
    /** As it is stored. */
    size: bytes,
    /** Of its stream, decompressed, as far as it is planned; rows of a file of columns. Null before it is planned. */
    length: count.nullable(),
    unit: z.enum(['byte', 'row']),
    /** It is planned to its end. */
    planned: z.boolean(),
    records: count.nullable(),
    chunks: chunkCountsShape,
    /** Null: not known for a single file while its job runs. */
    balance: balance.nullable(),
    recordsIn: count.nullable(),
    rejected: count.nullable(),
    /** Why it cannot be planned. */
    failure: failureShape.nullable(),
  })
  .meta({ id: 'JobFile' });
export type JobFileView = z.output<typeof jobFileShape>;

/** A run of whole chunks in the worst of their states. */
export const stripCellShape = z.strictObject({
  /** Offsets in the unit of the strip; the end is exclusive. */
  start: count,
  end: count,
  state: z.enum(chunkStates),
  chunks: count,
  /** Index of the first and of the last chunk. */
  first: count,
  last: count,
  /** Rejects of its committed chunks; null: some have rejects, and how many is not known before the generation ends. */
  rejects: count.nullable(),
});
export type StripCell = z.output<typeof stripCellShape>;

export const stripShape = z
  .strictObject({
    /** Null: a strip over the chunks of the whole stage, by their index. */
    file: z.strictObject({ file: count, uri: z.string(), size: bytes }).nullable(),
    stage: stageName,
    unit: z.enum(['byte', 'row', 'chunk']),
    /** Length of the whole in the unit of the strip as far as it is known. */
    length: count,
    /** Everything is planned: the strip does not grow any more. */
    planned: z.boolean(),
    chunks: chunkCountsShape,
    cells: z.array(stripCellShape).max(maxStripCells),
  })
  .meta({ id: 'Strip' });
export type Strip = z.output<typeof stripShape>;

const ofJob = { params: z.strictObject({ jobId }) };

export const jobDetailRoutes = [
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/timeline',
    operationId: 'listJobTimeline',
    summary: 'What happened to a job, newest first: commands, ends of generations and callbacks from the journal; changes of state as long as Redis holds them',
    role: 'viewer',
    ...ofJob,
    query: z.strictObject(pageQuery),
    answers: { 200: pageOf(timelineEntryShape) },
    errors: ['NOT_FOUND', 'CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/stages',
    operationId: 'listJobStages',
    summary: 'The stages of a job in running order, with their chunks and balance',
    role: 'viewer',
    ...ofJob,
    answers: { 200: z.strictObject({ data: z.array(jobStageShape) }) },
    errors: ['NOT_FOUND'],
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/files',
    operationId: 'listJobFiles',
    summary: 'The input files of a job in order, with their chunks by state and their balance',
    role: 'viewer',
    ...ofJob,
    query: z.strictObject(pageQuery),
    answers: { 200: pageOf(jobFileShape) },
    errors: ['NOT_FOUND', 'CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/strip',
    operationId: 'readJobStrip',
    summary: 'A file, or a stage, cut into at most 2,000 cells of whole chunks, each in the worst state of its chunks',
    role: 'viewer',
    ...ofJob,
    query: z.strictObject({
      /** Number of the file; left out: the chunks of a stage by index. */
      file: numberText(0, 9_999_999).optional(),
      /** Left out: the last stage that reads the file, or the first stage. */
      stage: stageName.optional(),
      cells: numberText(1, maxStripCells).prefault(600),
    }),
    answers: { 200: stripShape },
    errors: ['NOT_FOUND', 'GONE'],
  }),
] as const;
