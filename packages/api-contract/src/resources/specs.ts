/** A spec before it is a job: what is wrong with it, how its inputs would be read, how much there is to do, and a few rows. Nothing is written. */
import { z } from 'zod';
import { problemIssueShape } from '../problem.ts';
import { defineRoute } from '../route.ts';
import { bytes, contentQuery, count, stageName } from '../shapes.ts';
import { submittedSpec } from './jobs.ts';

/** Files of an input that are named, of however many. */
export const namedFilesOfCheck = 20;
/** Records of each input that a sample reads, and rows of it that are shown. */
export const sampledRecords = 1_000;
export const sampledRows = 20;
/** Of one value of a row, in characters. */
export const sampledValue = 256;

const evidence = z.strictObject({
  /** Of the input, such as `dialect.delimiter` or `encoding`. */
  path: z.string(),
  /** `set`: the spec says so. */
  how: z.enum(['set', 'detected']),
  value: z.string(),
  /** From 0 to 1. */
  confidence: z.number().nullable(),
  runnerUp: z.string().nullable(),
  note: z.string().nullable(),
});

const inputPins = z
  .strictObject({
    input: z.string(),
    format: z.string(),
    compression: z.string(),
    encoding: z.string(),
    /** Null unless the format is CSV. */
    dialect: z.record(z.string(), z.unknown()).nullable(),
    /** As the files head them, in their order. */
    header: z.array(z.string()),
    /** Of the schema. `inferred`: the type was taken from samples. */
    columns: z.array(z.strictObject({ name: z.string(), type: z.string(), format: z.string(), inferred: z.boolean() })),
    evidence: z.array(evidence),
    notes: z.array(z.string()),
  })
  .meta({ id: 'CheckedInput' });

const sampleReject = z.strictObject({
  record: count,
  /** Null in files of columns. */
  line: count.nullable(),
  column: z.string().nullable(),
  code: z.string(),
  message: z.string(),
  expected: z.string().nullable(),
  /** Content: null unless it is asked for. */
  value: z.string().nullable(),
});

const sample = z
  .strictObject({
    input: z.string(),
    /** URI of the file that was read from its beginning. */
    file: z.string(),
    /** Records read, of at most 1,000. */
    records: count,
    rejected: count,
    columns: z.array(z.strictObject({ name: z.string(), type: z.string() })),
    /** The first of those that fit the schema, as text; null where there is no value. Content: null unless it is asked for. */
    rows: z.array(z.array(z.string().nullable())).nullable(),
    /** The first of those that do not. */
    rejects: z.array(sampleReject),
  })
  .meta({ id: 'SpecSample' });

export const specCheckShape = z
  .strictObject({
    /** A submit would be accepted, and planning would know how to read every input. */
    valid: z.boolean(),
    /** Everything that is wrong, each with its place under `/spec`. Empty exactly when `valid`. */
    issues: z.array(problemIssueShape),
    /** With every default; null when it cannot be read. */
    spec: z.record(z.string(), z.unknown()).nullable(),
    specDigest: z.string().nullable(),
    /** How each input would be read; null when there is nothing to look at. An input that cannot be read is missing: an issue says why. */
    pins: z.array(inputPins).nullable(),
    /** What there is to do; null when the inputs are not known. */
    plan: z
      .strictObject({
        files: count,
        bytes,
        /** Of the first stage, by the bytes of the inputs and the chunk size: what planning really cuts depends on where records end. */
        estimatedChunks: count,
        stages: z.array(z.strictObject({ name: stageName, kind: z.enum(['map', 'reduce']) })),
        inputs: z.array(z.strictObject({ input: z.string(), files: count, bytes, first: z.array(z.strictObject({ uri: z.string(), bytes })) })),
      })
      .nullable(),
    /** One for each input that can be read. */
    samples: z.array(sample),
  })
  .meta({ id: 'SpecCheck' });
export type SpecCheck = z.output<typeof specCheckShape>;

export const specRoutes = [
  defineRoute({
    method: 'POST',
    path: '/specs/check',
    operationId: 'checkSpec',
    summary: 'What a submit of this spec would say, how its inputs would be read, how much there is to do, and a sample; nothing is written',
    role: 'operator',
    query: z.strictObject(contentQuery),
    body: submittedSpec,
    answers: { 200: specCheckShape },
    errors: ['SPEC_TENANT_DENIED', 'REQUEST_TOO_LARGE', 'BUSY', 'REBUILDING'],
    readOnly: true,
    content: 'spec.sample',
  }),
] as const;
