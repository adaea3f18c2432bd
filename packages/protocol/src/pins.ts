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

const noConstraints = { required: false, unique: false, minimum: null, maximum: null, minLength: null, maxLength: null, pattern: null, enum: null };

/** What a field has that says nothing else; such members are left out of the record, so that pins of 20,000 columns fit into one. */
const usualField = {
  format: 'default',
  aliases: [],
  path: null,
  missingValues: null,
  trim: null,
  onError: 'reject',
  decimalChar: '.',
  groupChar: null,
  bareNumber: true,
  precision: null,
  scale: null,
  trueValues: ['true', 'True', 'TRUE', '1'],
  falseValues: ['false', 'False', 'FALSE', '0'],
  timezone: 'UTC',
  delimiter: ',',
  itemType: 'string',
  constraints: noConstraints,
} as const;

const plainFieldPins = z.object({
  name: text,
  type: text,
  format: text.default(usualField.format),
  aliases: z.array(text).default([]),
  path: text.nullable().default(null),
  missingValues: z.array(text).nullable().default(null),
  trim: z.boolean().nullable().default(null),
  onError: z.enum(['reject', 'setNull']).default(usualField.onError),
  decimalChar: text.default(usualField.decimalChar),
  groupChar: text.nullable().default(null),
  bareNumber: z.boolean().default(usualField.bareNumber),
  precision: count.nullable().default(null),
  scale: count.nullable().default(null),
  trueValues: z.array(text).default([...usualField.trueValues]),
  falseValues: z.array(text).default([...usualField.falseValues]),
  timezone: text.default(usualField.timezone),
  /** Of a `list`: what stands between its items, and their type. */
  delimiter: text.default(usualField.delimiter),
  itemType: text.default(usualField.itemType),
  constraints: z
    .object({
      required: z.boolean(),
      unique: z.boolean(),
      minimum: scalar.nullable(),
      maximum: scalar.nullable(),
      minLength: count.nullable(),
      maxLength: count.nullable(),
      pattern: text.nullable(),
      enum: z.array(scalar).nullable(),
    })
    .default(noConstraints),
});
export type FieldPins = z.output<typeof plainFieldPins> & {
  /** Shape of an `object` or `array` that is not kept as JSON text. */
  readonly fields?: FieldPins[] | null | undefined;
  readonly items?: FieldPins | null | undefined;
};
export const fieldPinsShape: z.ZodType<FieldPins> = plainFieldPins.extend({
  fields: z.array(z.lazy(() => fieldPinsShape)).nullish(),
  items: z.lazy(() => fieldPinsShape).nullish(),
});

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

/** More would make a record that is too long, and each is asked for one by one. */
export const maxPinnedFiles = 2_000;

/** How one file is read, under `pin: file`: what `Probe` answered for it alone, but for the schema, which is that of its input. */
export const filePinsShape = inputPinsShape
  .pick({ format: true, compression: true, encoding: true, dialect: true, columns: true, lines: true })
  .extend({ file: count, input: count });
export type FilePins = z.output<typeof filePinsShape>;

/** A small table of a stage: the version that every attempt reads, and how. */
export const lookupPinsShape = z.object({ stage: stageName, name: text, uri: text, etag: text, size: count, maxBytes: count, input: inputPinsShape });
export type LookupPins = z.output<typeof lookupPinsShape>;

export const pinsShape = z.object({
  ...head('pins'),
  rules: z.int().min(1),
  /** One for each input of the spec, in its order. */
  inputs: z.array(inputPinsShape),
  /** Files of inputs under `pin: file`; absent where there are none. */
  files: z.array(filePinsShape).optional(),
  /** Partitions of each reduce stage. */
  partitions: z.record(z.string(), z.int().min(1)).default({}),
  lookups: z.array(lookupPinsShape).default([]),
});
export type Pins = z.output<typeof pinsShape>;

/** The members to store: every field without what is as usual. Reading fills it in again. */
export function leanPins(pins: Pick<Pins, 'inputs' | 'lookups'>): Record<string, unknown> {
  const leanInput = (input: InputPins) => ({ ...input, schema: { ...input.schema, fields: input.schema.fields.map(leanField) } });
  return { ...pins, inputs: pins.inputs.map(leanInput), lookups: pins.lookups.map((lookup) => ({ ...lookup, input: leanInput(lookup.input) })) };
}

function leanField(field: FieldPins): Partial<FieldPins> {
  return Object.fromEntries(Object.entries(field).filter(([name, value]) => !isUsual(name, value)));
}

function isUsual(name: string, value: unknown): boolean {
  return name in usualField && JSON.stringify(value) === JSON.stringify(usualField[name as keyof typeof usualField]);
}

/** Files of one input that are looked at. */
const PROBED_FILES = 5;

/** The files of an input that are probed: at most five, spread evenly over the list, the first among them. */
export function spreadSamples<T>(files: readonly T[]): T[] {
  if (files.length <= PROBED_FILES) return [...files];
  return Array.from({ length: PROBED_FILES }, (_, index) => files[Math.floor((index * files.length) / PROBED_FILES)] as T);
}
