/**
 * What this version does not do yet. An option that is accepted must work, so everything else is refused by name before a job is accepted: nothing
 * is ignored silently. Pure.
 */
import type { ResolvedInput, ResolvedJobSpec, ResolvedSchema } from './job-spec-shape.ts';
import { SpecError, type SpecIssue } from './spec-error.ts';
import { type Path, pointerOf } from './spec-issues.ts';
import { uniqueKeysOf } from './stages.ts';

/** Throws `SpecError` with one issue for each option that is asked for and not there. */
export function assertAvailable(spec: ResolvedJobSpec): void {
  const issues = availabilityIssues(spec);
  if (issues.length > 0) throw new SpecError(issues);
}

export function availabilityIssues(spec: ResolvedJobSpec): SpecIssue[] {
  return [
    ...spec.inputs.flatMap((input, index) => inputIssues(input, input.schema ?? spec.schema, ['inputs', index])),
    ...spec.pipeline.flatMap(({ lookups }, stage) => lookups.flatMap(({ schema }, at) => lookupIssues(schema, ['pipeline', stage, 'lookups', at, 'schema']))),
  ];
}

/** What the spec of a stream may not ask for besides. */
export function streamAvailabilityIssues(spec: ResolvedJobSpec): SpecIssue[] {
  const schemas = [spec.schema, ...spec.inputs.map(({ schema }) => schema)];
  const hasUnique = schemas.some((schema) => typeof schema === 'object' && schema !== null && usesUnique(schema));
  return [
    ...unless(spec.rejects.perFile.maxRows === null && spec.rejects.perFile.maxRatio === null, ['rejects', 'perFile'], 'a budget for each file of a stream'),
    ...unless(!hasUnique, ['schema'], 'a unique field or primaryKey in a stream'),
    ...unless(
      spec.inputs.every((input) => input.pin === 'job'),
      ['inputs', 'pin'],
      'pin: file in a stream',
    ),
    ...unless(
      spec.inputs.every((input) => !input.keepIntactPrefix),
      ['inputs', 'keepIntactPrefix'],
      'keepIntactPrefix in a stream',
    ),
  ];
}

const usesUnique = ({ fields, primaryKey }: ResolvedSchema): boolean => primaryKey.length > 0 || fields.some(({ constraints }) => constraints.unique);

function inputIssues(input: ResolvedInput, schema: string | ResolvedSchema, path: Path): SpecIssue[] {
  const isWritten = schema !== 'auto' && schema !== 'text';
  return [
    // What files with nothing in common but their columns hold is not inferred.
    ...unless(input.pin === 'job' || isWritten, [...path, 'pin'], 'pin: file without a written schema'),
    ...unless(['auto', 'csv', 'ndjson', 'json', 'lines', 'parquet', 'arrow'].includes(input.format), [...path, 'format'], `format ${input.format}`),
  ];
}

/** A lookup is read by every core for itself: nobody compares its keys. */
function lookupIssues(schema: string | ResolvedSchema, path: Path): SpecIssue[] {
  return unless(uniqueKeysOf(schema).length === 0, path, 'unique or primaryKey of a lookup');
}

function unless(available: boolean, path: Path, what: string): SpecIssue[] {
  return available ? [] : [{ pointer: pointerOf(path), code: 'SPEC_NOT_AVAILABLE', message: `${what} is not available in this version` }];
}
