/**
 * The shape of a job spec: one zod schema, read in both directions. Its input is what people write, its output the resolved form with every default
 * filled in, `null` for what is not set, sizes in bytes and durations in milliseconds. A resolved spec is itself a legal spec and resolves to itself.
 * Rules that tie fields together stand in `spec-rules.ts`, what this version does not do yet in `spec-available.ts`.
 */
import { z } from 'zod';

import type { FailureCode } from './failure.ts';
import { durationText, parseDuration, parseSize, sizeText } from './units.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const hourMs = 3_600_000;

/** The first word of a pick is its default. */
const pick = <const Words extends readonly [string, ...string[]]>(...words: Words) => z.enum(words).default(words[0] as never);
const optional = <Shape extends z.ZodType>(shape: Shape) => shape.nullable().default(null as never);
const text = (max: number) => z.string().min(1).max(max);
const maybe = (max: number) => optional(z.string().max(max));
const yes = z.boolean().default(true);
const no = z.boolean().default(false);
const flag = optional(z.boolean());
const count = z.int().min(0);
const ratio = z.number().min(0).max(1);
const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** A number with a unit, or without one in the base unit. */
const measure = (what: string, parse: (written: string) => number | null, min: number, max: number, example: string) =>
  z.union([z.int(), z.string()]).transform((written, ctx) => {
    const value = typeof written === 'string' ? parse(written) : written;
    const problem = (code: FailureCode, message: string) => {
      ctx.issues.push({ code: 'custom', input: written, message, params: { code } });
      return z.NEVER;
    };
    if (value === null) return problem('SPEC_BAD_VALUE', `expected ${what} such as ${example}, got ${JSON.stringify(written)}`);
    if (value < min || value > max) return problem('SPEC_OUT_OF_RANGE', `expected ${what} from ${min} to ${max}, got ${value}`);
    return value;
  });
const size = (min: number, max: number) => measure('a size in bytes', parseSize, min, max, '64MiB').describe(`size, ${sizeText(min)} to ${sizeText(max)}`);
const duration = (min: number) =>
  measure('a duration in milliseconds', parseDuration, min, Number.MAX_SAFE_INTEGER, '90s').describe(`duration, at least ${durationText(min)}`);

const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);
const ident = z.string().regex(/^[a-z][a-z0-9_]{0,31}$/);
const stageName = z.string().regex(/^[a-z][a-z0-9]{0,31}$/);
const secret = z.string().regex(/^secret:\/\/[a-z0-9][a-z0-9._/-]{0,127}$/);
const uri = text(2_048);
const when = z.iso.datetime({ offset: true });

/** `null`: probed; `commentChar` and `nullSequence`: none. */
export const dialectShape = z.strictObject({
  delimiter: optional(text(4)),
  quoteChar: maybe(1),
  doubleQuote: flag,
  escapeChar: maybe(1),
  lineTerminator: optional(text(4)),
  skipInitialSpace: flag,
  header: flag,
  headerRows: optional(z.array(z.int().min(1)).min(1).max(8)),
  headerJoin: z.string().max(4).default(' '),
  commentRows: z.array(z.int().min(1)).max(1_000).default([]),
  commentChar: maybe(4),
  nullSequence: maybe(64),
  strayQuotes: pick('reject', 'literal'),
  shortRows: pick('reject', 'pad'),
  longRows: pick('reject', 'truncate'),
  blankRows: pick('skip', 'reject'),
});

export const fieldTypes = [
  'string',
  'integer',
  'number',
  'boolean',
  'date',
  'time',
  'datetime',
  'year',
  'yearmonth',
  'duration',
  'object',
  'array',
  'list',
  'any',
] as const;
const fieldType = z.enum(fieldTypes);

const constraints = z.strictObject({
  required: no,
  unique: no,
  minimum: optional(scalar),
  maximum: optional(scalar),
  minLength: optional(count),
  maxLength: optional(count),
  pattern: maybe(1_024),
  enum: optional(z.array(scalar).min(1).max(10_000)),
});

const plainField = z.strictObject({
  name: text(256),
  type: fieldType.default('string'),
  format: text(256).default('default'),
  title: maybe(256),
  description: maybe(1_000),
  aliases: z.array(text(256)).max(16).default([]),
  path: optional(z.string().startsWith('/')),
  constraints: constraints.prefault({}),
  missingValues: optional(z.array(z.string())),
  onError: pick('reject', 'setNull'),
  trim: flag,
  bareNumber: yes,
  decimalChar: z.string().length(1).default('.'),
  groupChar: optional(z.string().length(1)),
  timezone: text(64).default('UTC'),
  precision: optional(z.int().min(1).max(38)),
  scale: optional(z.int().min(0).max(38)),
  trueValues: z.array(text(64)).default(['true', 'True', 'TRUE', '1']),
  falseValues: z.array(text(64)).default(['false', 'False', 'FALSE', '0']),
  delimiter: text(4).default(','),
  itemType: fieldType.default('string'),
});

type FieldInput = z.input<typeof plainField> & { fields?: FieldInput[] | null | undefined; items?: ItemInput | null | undefined };
type ItemInput = Omit<FieldInput, 'name'> & { name?: string | undefined };
type FieldOutput = z.output<typeof plainField> & { fields: FieldOutput[] | null; items: FieldOutput | null };

/** Shapes of `object` and `array`; without them the value is kept as JSON text. */
const nestedFields = {
  fields: optional(
    z
      .array(z.lazy(() => fieldShape))
      .min(1)
      .max(1_000),
  ),
  items: optional(z.lazy(() => itemShape)),
};
export const fieldShape = plainField.extend(nestedFields) as unknown as z.ZodType<FieldOutput, FieldInput>;
/** An item has no name of its own. */
const itemShape = plainField.extend({ ...nestedFields, name: text(256).default('item') }) as unknown as z.ZodType<FieldOutput, ItemInput>;

export const schemaShape = z.strictObject({
  fields: z.array(fieldShape).min(1).max(20_000),
  missingValues: z.array(z.string()).default(['']),
  match: pick('name', 'position'),
  primaryKey: z
    .union([text(256), z.array(text(256))])
    .nullable()
    .default(null),
  caseSensitive: yes,
  missingColumns: pick('fail', 'setNull'),
  extraColumns: pick('drop', 'keep', 'fail'),
  fieldsMatch: optional(z.enum(['exact', 'equal', 'subset', 'superset', 'partial'])),
  /** Filled in at intake: where a schema by URI was read, and the digest of its bytes. */
  source: z.strictObject({ uri, sha256: z.string().regex(/^[0-9a-f]{64}$/) }).optional(),
});
const schemaOrRef = z.union([uri, schemaShape]);

const format = pick('auto', 'csv', 'ndjson', 'json', 'parquet', 'arrow', 'lines');

export const inputShape = z.strictObject({
  uri: optional(z.union([uri, z.array(uri).min(1).max(10_000)])),
  list: optional(uri),
  name: ident.default('input'),
  format,
  compression: pick('auto', 'none', 'gzip', 'zstd', 'bzip2', 'xz', 'lz4', 'zip'),
  encoding: text(40).default('auto'),
  invalidBytes: pick('reject', 'replace'),
  dialect: z.union([z.literal('auto'), dialectShape]).default('auto'),
  schema: optional(schemaOrRef),
  pin: pick('job', 'file'),
  json: z
    .strictObject({
      records: z.string().default(''),
      duplicateKeys: pick('reject', 'first', 'last'),
      maxDepth: z.int().min(1).max(128).default(64),
    })
    .prefault({}),
  lines: optional(
    z.strictObject({
      regex: maybe(8_192),
      grok: maybe(8_192),
      patterns: z.record(z.string(), z.string()).default({}),
      recordStart: maybe(1_024),
    }),
  ),
  maxRecordSize: size(4 * KiB, 64 * MiB).prefault('16MiB'),
  maxInflation: z.int().min(1).max(100_000).default(100),
  keepIntactPrefix: no,
  ifNone: pick('fail', 'ok'),
  connection: optional(name),
  expect: z
    .strictObject({
      files: optional(count),
      records: optional(count),
      bytes: optional(count),
      sha256: optional(z.string().regex(/^[0-9a-f]{64}$/)),
    })
    .prefault({}),
});

export const stageShape = z.strictObject({
  name: optional(stageName),
  from: optional(z.union([ident, z.array(stageName).min(2).max(8)])),
  sql: optional(text(64 * KiB)),
  exchange: optional(
    z.strictObject({
      keys: z.array(text(256)).max(16),
      partitions: z.union([z.literal('auto'), z.int().min(1).max(4_096)]).default('auto'),
    }),
  ),
  dedupe: optional(
    z.strictObject({
      keys: optional(z.array(text(256)).min(1).max(16)),
      orderBy: maybe(1_024),
      keep: pick('first', 'last'),
    }),
  ),
  lookups: z
    .array(
      z.strictObject({
        name: ident,
        uri,
        format,
        schema: schemaOrRef.default('auto'),
        maxSize: size(1, GiB).prefault('64MiB'),
      }),
    )
    .max(16)
    .default([]),
});

export const outputShape = z.strictObject({
  uri,
  format: pick('parquet', 'csv', 'ndjson', 'arrow'),
  compression: optional(z.enum(['none', 'snappy', 'gzip', 'zstd', 'lz4'])),
  layout: pick('merged', 'perInput'),
  partitionBy: z.array(text(256)).max(4).default([]),
  maxPartitions: z.int().min(1).max(100_000).default(10_000),
  partSize: size(MiB, 5 * GiB).prefault('256MiB'),
  compact: no,
  ifNotEmpty: pick('fail', 'append'),
  connection: optional(name),
  csv: z
    .strictObject({
      delimiter: text(4).default(','),
      quote: pick('minimal', 'always'),
      header: yes,
      nullValue: z.string().max(64).default(''),
      lineTerminator: pick('\n', '\r\n'),
    })
    .prefault({}),
  parquet: z.strictObject({ rowGroupSize: size(MiB, 128 * MiB).prefault('32MiB'), statistics: yes }).prefault({}),
});

const limitFields = { maxRows: optional(count), maxRatio: optional(ratio) };
const limit = z.strictObject(limitFields);
export type RejectLimit = z.output<typeof limit>;

export const rejectsShape = z.strictObject({
  ...limitFields,
  maxRatio: ratio.nullable().default(0.1),
  minRecords: count.default(10_000),
  mode: pick('quarantine', 'fail'),
  uri: optional(uri),
  perFile: limit.prefault({}),
  perColumn: z.record(z.string(), limit).default({}),
  perCode: z.record(z.string(), limit).default({}),
  perInferred: z.strictObject({ ...limitFields, maxRatio: ratio.nullable().default(0.01) }).prefault({}),
  onExceeded: pick('stop', 'finish'),
});

export const deadLettersShape = z.strictObject({
  maxChunks: count.nullable().default(0),
  maxRatio: limitFields.maxRatio,
  onExceeded: pick('finish', 'stop'),
});

export const executionShape = z.strictObject({
  tenant: name.default('default'),
  priority: z.int().min(0).max(9).default(5),
  weight: z.int().min(1).max(100).default(10),
  chunkSize: size(64 * KiB, GiB).prefault('64MiB'),
  maxAttempts: z.int().min(1).max(20).default(5),
  coreMemory: size(256 * MiB, 1024 * GiB).prefault('1GiB'),
  maxConcurrency: optional(z.int().min(1)),
  jobTimeLimit: optional(duration(1_000)),
  attemptTimeLimit: z.union([z.literal('auto'), duration(1_000)]).default('auto'),
  canary: yes,
});

const scheduleShape = z.strictObject({
  cron: text(100),
  timezone: text(64).default('UTC'),
  overlap: pick('skip', 'queue', 'allow'),
  catchUp: pick('last', 'none', 'all'),
  startAt: optional(when),
  endAt: optional(when),
  paused: no,
});

const ends = ['job.completed', 'job.failed', 'job.cancelled'] as const;
const callbackShape = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  secret,
  events: z
    .array(z.enum([...ends, 'job.paused', 'budget.warning', 'deadletter.first']))
    .min(1)
    .default([...ends]),
});

/** The whole. One URI or one input in place of the list of inputs is put into a list before this is asked. */
export const jobSpecShape = z.strictObject({
  millrace: z.literal(1).default(1),
  name,
  description: maybe(1_000),
  params: z.record(ident, scalar.nullable()).default({}),
  labels: z.record(z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/), z.string().max(128)).default({}),
  schema: schemaOrRef.default('auto'),
  inputs: z.array(inputShape).min(1).max(100),
  pipeline: z.array(stageShape).max(8).default([]),
  output: outputShape,
  rejects: rejectsShape.prefault({}),
  deadLetters: deadLettersShape.prefault({}),
  privacy: optional(z.strictObject({ key: secret })),
  execution: executionShape.prefault({}),
  schedule: optional(scheduleShape),
  callbacks: z.array(callbackShape).max(5).default([]),
  retention: z.strictObject({ history: duration(hourMs).prefault('30d'), rejects: duration(hourMs).prefault('90d') }).prefault({}),
});

export type InputSpec = z.input<typeof inputShape>;
/** What people write. */
export type JobSpec = Omit<z.input<typeof jobSpecShape>, 'inputs'> & { inputs: string | InputSpec | InputSpec[] };
export type JobSpecInput = JobSpec;

type ShapeOutput = z.output<typeof jobSpecShape>;
export type ResolvedSchema = Omit<z.output<typeof schemaShape>, 'primaryKey' | 'fieldsMatch'> & {
  readonly primaryKey: string[];
  /** Resolved into `match`, `missingColumns` and `extraColumns`. */
  readonly fieldsMatch: null;
};
export type ResolvedField = z.output<typeof fieldShape>;
export type ResolvedDialect = z.output<typeof dialectShape>;
export type ResolvedInput = Omit<z.output<typeof inputShape>, 'uri' | 'schema'> & {
  /** URIs and patterns; null only with `list`. */
  readonly uri: string[] | null;
  /** Null: the job's. `auto`, `text`, the URI of a schema, or a schema. */
  readonly schema: string | ResolvedSchema | null;
};
export type ResolvedLookup = Omit<z.output<typeof stageShape>['lookups'][number], 'schema'> & { readonly schema: string | ResolvedSchema };
export type ResolvedStage = Omit<z.output<typeof stageShape>, 'name' | 'lookups'> & { readonly name: string; readonly lookups: ResolvedLookup[] };
export type ResolvedOutput = Omit<z.output<typeof outputShape>, 'compression'> & {
  readonly compression: NonNullable<z.output<typeof outputShape>['compression']>;
};
export type ResolvedRejects = Omit<z.output<typeof rejectsShape>, 'uri'> & { readonly uri: string };
export type ResolvedDeadLetters = z.output<typeof deadLettersShape>;
export type ResolvedExecution = z.output<typeof executionShape>;

/** Every default filled in; what job.json holds and its digest is taken over. */
export type ResolvedJobSpec = Omit<ShapeOutput, 'inputs' | 'schema' | 'pipeline' | 'output' | 'rejects'> & {
  readonly inputs: ResolvedInput[];
  readonly schema: string | ResolvedSchema;
  readonly pipeline: ResolvedStage[];
  readonly output: ResolvedOutput;
  readonly rejects: ResolvedRejects;
};

/** What the shape yields for each top-level field that had no issue. */
export type ShapedSpec = Partial<ShapeOutput>;
