/**
 * Schemas that a spec names by URI. They are read once, at intake, and stand in the spec of the job from then on, with the digest of what was read: so
 * the job does not change when the file does. Where the file is wrong the issue points into the spec as it stands then, and names the file.
 */
import { type FailureCode, maxSpecBytes, pointerOf, type ResolvedJobSpec, type ResolvedSchema, type SpecIssue, sha256Hex } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import { type CheckedSpec, checkWritten } from './check-spec.ts';
import type { Control } from './control.ts';
import { readWhole } from './stored-inputs.ts';

type Path = readonly (string | number)[];

/** A place of the spec where a schema may stand. */
interface SchemaPlace {
  readonly path: Path;
  readonly schema: string | ResolvedSchema | null;
  readonly connection: string | null;
}

function placesOf({ schema, inputs, pipeline }: ResolvedJobSpec): SchemaPlace[] {
  return [
    { path: ['schema'], schema, connection: null },
    ...inputs.map(({ schema, connection }, index) => ({ path: ['inputs', index, 'schema'], schema, connection })),
    ...pipeline.flatMap(({ lookups }, stage) =>
      lookups.map(({ schema }, index) => ({ path: ['pipeline', stage, 'lookups', index, 'schema'], schema, connection: null })),
    ),
  ];
}

const isUri = (schema: SchemaPlace['schema']): schema is string => typeof schema === 'string' && schema !== 'auto' && schema !== 'text';

/** The spec with every schema in it, checked anew as a whole. Throws what a store says that cannot be reached. */
export async function withSchemas(spec: ResolvedJobSpec, tenant: string, control: Control): Promise<CheckedSpec> {
  const named = placesOf(spec).filter(({ schema }) => isUri(schema));
  if (named.length === 0) return { spec };
  const written = structuredClone(spec);
  const issues: SpecIssue[] = [];
  for (const place of named) {
    const read = await readSchema(place, control);
    if ('issue' in read) issues.push(read.issue);
    else setAt(written, place.path, read.descriptor);
  }
  if (issues.length > 0) return { issues };
  const checked = checkWritten(written, tenant, control.connections);
  return 'issues' in checked ? { issues: checked.issues.map((issue) => withFile(issue, named)) } : checked;
}

/** The spec with the schemas that a job took from the same URIs: whoever asks again means those, whatever the files hold now. */
export function withSchemasOf(spec: ResolvedJobSpec, standing: ResolvedJobSpec): ResolvedJobSpec {
  const known = new Map(placesOf(standing).map(({ path, schema }) => [pointerOf(path), schema]));
  const same = structuredClone(spec);
  for (const { path, schema } of placesOf(spec)) {
    const before = known.get(pointerOf(path));
    const uri = isUri(schema) ? schema : sourceOf(schema);
    if (uri !== null && uri === sourceOf(before ?? null)) setAt(same, path, before);
  }
  return same;
}

const sourceOf = (schema: SchemaPlace['schema']): string | null => (typeof schema === 'object' ? (schema?.source?.uri ?? null) : null);

function setAt(spec: object, path: Path, value: unknown): void {
  const holder = path.slice(0, -1).reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], spec) as Record<string, unknown>;
  holder[String(path.at(-1))] = value;
}

async function readSchema(
  { path, schema, connection }: SchemaPlace,
  control: Control,
): Promise<{ descriptor: Record<string, unknown> } | { issue: SpecIssue }> {
  const uri = String(schema);
  const issue = (code: FailureCode, why: string) => ({ issue: { pointer: pointerOf(path), code, message: `cannot use the schema ${uri}: ${why}` } });
  let read: Awaited<ReturnType<typeof readWhole>>;
  try {
    read = await readWhole(uri, connection, maxSpecBytes, control);
  } catch (error) {
    if (error instanceof AppError && notThere.includes(error.code)) return issue('SPEC_URI', error.message);
    throw error;
  }
  if (!('content' in read)) return issue('SPEC_OUT_OF_RANGE', `expected at most ${maxSpecBytes} bytes, got ${read.bytes}`);
  const descriptor = parsed(read.content);
  if (typeof descriptor === 'string') return issue('SPEC_SCHEMA_FIELD', descriptor);
  return { descriptor: { ...withoutRemarks(descriptor), source: { uri, sha256: sha256Hex(read.content) } } };
}

/** Of a store: what whoever wrote the spec can mend. */
const notThere: readonly string[] = ['INPUT_NOT_FOUND', 'STORAGE_FORBIDDEN', 'SPEC_URI', 'SPEC_CONNECTION_UNKNOWN'];

/** A sentence where it is no schema. */
function parsed(content: Uint8Array): Record<string, unknown> | string {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch (error) {
    return `expected JSON: ${(error as Error).message}`;
  }
  if (isObject(value)) return value;
  return `expected an object with fields, got ${Array.isArray(value) ? 'a list' : typeof value}`;
}

/** Remarks that a Table Schema may hold and that change nothing. */
const remarks = ['$schema', 'name', 'title', 'description'];
const fieldRemarks = ['rdfType', 'example', 'examples'];

function withoutRemarks(descriptor: Record<string, unknown>): Record<string, unknown> {
  const { fields, ...rest } = without(descriptor, remarks);
  return { ...rest, fields: Array.isArray(fields) ? fields.map((field: unknown) => (isObject(field) ? without(field, fieldRemarks) : field)) : fields };
}

const without = (object: Record<string, unknown>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function withFile(issue: SpecIssue, named: readonly SchemaPlace[]): SpecIssue {
  const file = named.find(({ path }) => issue.pointer === pointerOf(path) || issue.pointer.startsWith(`${pointerOf(path)}/`));
  return file === undefined ? issue : { ...issue, message: `${issue.message} (in ${String(file.schema)})` };
}
