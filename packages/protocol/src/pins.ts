/** What planning decided about the inputs; everything later reads by it and nothing else. */
import { z } from 'zod';

import { count, head, stageName } from './record-shapes.ts';

const text = z.string();
const scalar = z.union([z.string(), z.number(), z.boolean()]);

export const dialectPinsShape = z.object({
  delimiter: text,
  quoteChar: text,
  doubleQuote: z.boolean(),
  escapeChar: text,
  /** Null: LF, CRLF and lone CR each end a record. */
  lineTerminator: text.nullable(),
  skipInitialSpace: z.boolean(),
  header: z.boolean(),
  headerRows: z.array(z.int().min(1)),
  headerJoin: text,
  commentRows: z.array(z.int().min(1)),
  commentChar: text,
  nullSequence: text.nullable(),
  strayQuotes: z.enum(['reject', 'literal']),
  shortRows: z.enum(['reject', 'pad']),
  longRows: z.enum(['reject', 'truncate']),
  blankRows: z.enum(['skip', 'reject']),
  skipSepLine: z.boolean(),
});
export type DialectPins = z.output<typeof dialectPinsShape>;

export const fieldPinsShape = z.object({
  name: text,
  type: text,
  format: text,
  aliases: z.array(text),
  path: text.nullable(),
  missingValues: z.array(text).nullable(),
  trim: z.boolean().nullable(),
  onError: z.enum(['reject', 'setNull']),
  decimalChar: text,
  groupChar: text.nullable(),
  bareNumber: z.boolean(),
  precision: count.nullable(),
  scale: count.nullable(),
  trueValues: z.array(text),
  falseValues: z.array(text),
  timezone: text,
  /** Of a `list`: what stands between its items, and their type. */
  delimiter: text.default(','),
  itemType: text.default('string'),
  constraints: z.object({
    required: z.boolean(),
    unique: z.boolean(),
    minimum: scalar.nullable(),
    maximum: scalar.nullable(),
    minLength: count.nullable(),
    maxLength: count.nullable(),
    pattern: text.nullable(),
    enum: z.array(scalar).nullable(),
  }),
});
export type FieldPins = z.output<typeof fieldPinsShape>;

export const schemaPinsShape = z.object({
  fields: z.array(fieldPinsShape),
  missingValues: z.array(text),
  match: z.enum(['name', 'position']),
  caseSensitive: z.boolean(),
  missingColumns: z.enum(['fail', 'setNull']),
  extraColumns: z.enum(['drop', 'keep', 'fail']),
  primaryKey: z.array(text),
});
export type SchemaPins = z.output<typeof schemaPinsShape>;

export const evidenceShape = z.object({
  path: text,
  how: z.enum(['set', 'detected']),
  value: text,
  confidence: z.number().nullable(),
  runnerUp: text.nullable(),
  note: text.nullable(),
});
/** Why a pinned value is what it is. */
export type Evidence = z.output<typeof evidenceShape>;

/** Exactly what `Probe` answers for one input. */
export const inputPinsShape = z.object({
  name: text,
  format: z.enum(['csv', 'ndjson', 'json', 'lines', 'parquet', 'arrow']),
  compression: text,
  encoding: text,
  invalidBytes: z.enum(['reject', 'replace']),
  maxRecordBytes: count,
  maxInflation: count,
  keepIntactPrefix: z.boolean(),
  /** Null unless `format` is `csv`. */
  dialect: dialectPinsShape.nullable(),
  columns: z.array(text),
  schema: schemaPinsShape,
  /** Fields whose type was inferred from samples. */
  inferred: z.array(text),
  json: z.object({ records: text.default(''), duplicateKeys: z.enum(['reject', 'first', 'last']), maxDepth: z.int().min(1) }),
  /** Null unless `format` is `lines`. */
  lines: z.object({ regex: text, recordStart: text.nullable() }).nullable().default(null),
  evidence: z.array(evidenceShape),
  notes: z.array(text),
});
export type InputPins = z.output<typeof inputPinsShape>;

/** A small table of a stage: the version that every attempt reads, and how. */
export const lookupPinsShape = z.object({ stage: stageName, name: text, uri: text, etag: text, size: count, maxBytes: count, input: inputPinsShape });
export type LookupPins = z.output<typeof lookupPinsShape>;

export const pinsShape = z.object({
  ...head('pins'),
  rules: z.int().min(1),
  /** One for each input of the spec, in its order. */
  inputs: z.array(inputPinsShape),
  /** Partitions of each reduce stage. */
  partitions: z.record(z.string(), z.int().min(1)).default({}),
  lookups: z.array(lookupPinsShape).default([]),
});
export type Pins = z.output<typeof pinsShape>;

/** Files of one input that are looked at. */
const PROBED_FILES = 5;

/** The files of an input that are probed: at most five, spread evenly over the list, the first among them. */
export function spreadSamples<T>(files: readonly T[]): T[] {
  if (files.length <= PROBED_FILES) return [...files];
  return Array.from({ length: PROBED_FILES }, (_, index) => files[Math.floor((index * files.length) / PROBED_FILES)] as T);
}
