/**
 * What a producer writes, what it resolves to, and its digest. All issues are found at once, each with a JSON Pointer into what was written.
 * Whether this version can do what a spec asks is another question: `assertAvailable`.
 */
import { canonicalJson, sha256Hex } from './canonical-json.ts';
import { type JobSpec, jobSpecShape, type ResolvedInput, type ResolvedJobSpec, type ResolvedSchema, type ShapedSpec } from './job-spec-shape.ts';
import { maxSpecBytes } from './limits.ts';
import { type PlaceUse, resolvePlace } from './places.ts';
import { SpecError, type SpecIssue } from './spec-error.ts';
import { issuesOf, missingField, pointerOf, shown, unknownField } from './spec-issues.ts';
import { type Params, substituteParams } from './spec-params.ts';
import { primaryKeyOf, ruleIssues, stageNameOf } from './spec-rules.ts';

export interface ResolveOptions {
  /** Added to those of the spec, or in their place. */
  readonly params?: Params | undefined;
  /** Absolute directory from which plain paths start; without it they are refused. For people at a command line. */
  readonly baseDir?: string | undefined;
  /** The spec of a stream: one input that says how to read and not what. */
  readonly isStream?: boolean | undefined;
}

/** Throws `SpecError` with every issue. Resolving a resolved spec gives the same again. */
export function resolveJobSpec(written: unknown, options: ResolveOptions = {}): ResolvedJobSpec {
  const result = checkJobSpec(written, options);
  if ('issues' in result) throw new SpecError(result.issues);
  return result.spec;
}

/** The same, with the issues as a value. */
export function checkJobSpec(written: unknown, options: ResolveOptions = {}): { spec: ResolvedJobSpec } | { issues: readonly SpecIssue[] } {
  if (!isObject(written)) return { issues: [{ pointer: '', code: 'SPEC_WRONG_TYPE', message: `expected an object, got ${shown(written)}` }] };
  const tooLarge = sizeIssue(written);
  if (tooLarge) return { issues: [tooLarge] };
  const spec = withParams(withInputList(written), options.params);
  const issues: SpecIssue[] = [];
  const placed = resolvePlaces(shapeSpec(spec, issues), options.baseDir ?? null, issues);
  issues.push(...ruleIssues(placed, spec, options.isStream === true));
  if (issues.length > 0) return { issues: issues.map((issue) => atWrittenInput(issue, written)) };
  return { spec: fillIn(placed as Required<ShapedSpec>) };
}

/** SHA-256 over the canonical JSON of the resolved spec: what idempotency compares, and what every record of the job names. */
export function specDigest(resolved: ResolvedJobSpec): string {
  return sha256Hex(canonicalJson(resolved));
}

/** The schema that an input is read with. */
export function schemaOf(spec: ResolvedJobSpec, input: ResolvedInput): string | ResolvedSchema {
  return input.schema ?? spec.schema;
}

function sizeIssue(written: object): SpecIssue | undefined {
  const bytes = Buffer.byteLength(JSON.stringify(written));
  if (bytes <= maxSpecBytes) return undefined;
  return { pointer: '', code: 'SPEC_OUT_OF_RANGE', message: `expected a spec of at most ${maxSpecBytes} bytes, got ${bytes}` };
}

function withInputList(written: Record<string, unknown>): Record<string, unknown> {
  const { inputs } = written;
  if (typeof inputs === 'string') return { ...written, inputs: [{ uri: inputs }] };
  return isObject(inputs) ? { ...written, inputs: [inputs] } : written;
}

function withParams(spec: Record<string, unknown>, params: Params | undefined): Record<string, unknown> {
  if (params === undefined) return spec;
  return { ...spec, params: isObject(spec['params']) ? { ...spec['params'], ...params } : (spec['params'] ?? params) };
}

/** Each top-level field by itself, so that an issue in one does not hide those of another. */
function shapeSpec(spec: Record<string, unknown>, issues: SpecIssue[]): ShapedSpec {
  const shaped: Record<string, unknown> = {};
  for (const [field, shape] of Object.entries(jobSpecShape.shape)) {
    const result = shape.safeParse(spec[field]);
    if (result.success) shaped[field] = result.data;
    else if (spec[field] === undefined) issues.push(missingField([field]));
    else issues.push(...issuesOf(result.error, shape, spec[field], [field]));
  }
  for (const field of Object.keys(spec)) {
    if (!Object.hasOwn(jobSpecShape.shape, field)) issues.push(unknownField([field], Object.keys(jobSpecShape.shape)));
  }
  return shaped as ShapedSpec;
}

/** Parameters replaced and URIs in their one spelling. */
function resolvePlaces(spec: ShapedSpec, baseDir: string | null, issues: SpecIssue[]): ShapedSpec {
  const params = spec.params ?? {};
  const substitute = (text: string, pointer: string): string => (spec.params === undefined ? text : substituteParams(text, params, pointer, issues));
  const place = (written: string, use: PlaceUse, path: readonly (string | number)[]): string => {
    const pointer = pointerOf(path);
    const known = issues.length;
    const text = substitute(written, pointer);
    if (issues.length > known || (spec.params === undefined && text.includes('${'))) return text;
    const result = resolvePlace(text, use, baseDir);
    if ('uri' in result) return result.uri;
    issues.push({ pointer, ...result });
    return text;
  };
  const directory = (written: string, path: readonly string[]): string => {
    const known = issues.length;
    const uri = place(written, 'output', path);
    if (issues.length === known && !uri.endsWith('/')) {
      issues.push({ pointer: pointerOf(path), code: 'SPEC_URI', message: `expected a URI ending in "/", got ${shown(uri)}` });
    }
    return uri;
  };
  const inputPlaces = (written: string | string[], index: number): string[] => {
    if (typeof written === 'string') return [place(written, 'input', ['inputs', index, 'uri'])];
    return written.map((uri, at) => place(uri, 'input', ['inputs', index, 'uri', at]));
  };
  /** Of a schema what stands there, or the place of its file. */
  const schemaPlace = <Written>(schema: Written, path: readonly (string | number)[]): Written | string =>
    typeof schema === 'string' && schema.includes('://') ? place(schema, 'input', path) : schema;
  return {
    ...spec,
    ...(spec.schema && { schema: schemaPlace(spec.schema, ['schema']) }),
    ...(spec.labels && {
      labels: Object.fromEntries(Object.entries(spec.labels).map(([name, text]) => [name, substitute(text, pointerOf(['labels', name]))])),
    }),
    ...(spec.inputs && {
      inputs: spec.inputs.map((input, index) => ({
        ...input,
        uri: input.uri === null ? null : inputPlaces(input.uri, index),
        list: input.list === null ? null : place(input.list, 'input', ['inputs', index, 'list']),
        schema: schemaPlace(input.schema, ['inputs', index, 'schema']),
      })),
    }),
    ...(spec.pipeline && {
      pipeline: spec.pipeline.map((stage, index) => ({
        ...stage,
        lookups: stage.lookups.map((lookup, at) => ({
          ...lookup,
          uri: place(lookup.uri, 'input', ['pipeline', index, 'lookups', at, 'uri']),
          schema: schemaPlace(lookup.schema, ['pipeline', index, 'lookups', at, 'schema']),
        })),
      })),
    }),
    ...(spec.output && { output: { ...spec.output, uri: directory(spec.output.uri, ['output', 'uri']) } }),
    ...(spec.rejects && { rejects: { ...spec.rejects, uri: spec.rejects.uri === null ? null : directory(spec.rejects.uri, ['rejects', 'uri']) } }),
  };
}

/** Defaults that depend on other fields. */
function fillIn(spec: Required<ShapedSpec>): ResolvedJobSpec {
  const { output } = spec;
  return {
    ...spec,
    schema: resolveSchema(spec.schema),
    inputs: spec.inputs.map((input) => ({
      ...input,
      uri: typeof input.uri === 'string' ? [input.uri] : input.uri,
      encoding: input.encoding.trim().toLowerCase(),
      schema: input.schema === null ? null : resolveSchema(input.schema),
    })),
    pipeline: spec.pipeline.map((stage, index) => ({
      ...stage,
      name: stageNameOf(stage, index),
      lookups: stage.lookups.map((lookup) => ({ ...lookup, schema: resolveSchema(lookup.schema) })),
    })),
    output: { ...output, compression: output.compression ?? (output.format === 'parquet' || output.format === 'arrow' ? 'zstd' : 'none') },
    rejects: { ...spec.rejects, uri: spec.rejects.uri ?? `${output.uri}_rejects/` },
  };
}

const fieldsMatches = {
  exact: { match: 'position', missingColumns: 'fail', extraColumns: 'fail' },
  equal: { match: 'name', missingColumns: 'fail', extraColumns: 'fail' },
  subset: { match: 'name', missingColumns: 'fail', extraColumns: 'drop' },
  superset: { match: 'name', missingColumns: 'setNull', extraColumns: 'fail' },
  partial: { match: 'name', missingColumns: 'setNull', extraColumns: 'drop' },
} as const;

function resolveSchema(schema: string | Exclude<ShapedSpec['schema'], string | undefined>): string | ResolvedSchema {
  if (typeof schema === 'string') return schema;
  return { ...schema, ...(schema.fieldsMatch && fieldsMatches[schema.fieldsMatch]), fieldsMatch: null, primaryKey: primaryKeyOf(schema) };
}

/** Pointers lead into what was written: one input may stand there without a list. */
function atWrittenInput(issue: SpecIssue, written: Record<string, unknown>): SpecIssue {
  const { inputs } = written;
  if (Array.isArray(inputs)) return issue;
  const pointer = issue.pointer.replace(/^\/inputs\/0/, '/inputs');
  return { ...issue, pointer: typeof inputs === 'string' ? pointer.replace(/^\/inputs\/uri$/, '/inputs') : pointer };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export type { JobSpec };
