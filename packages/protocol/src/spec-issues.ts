/** Turns what zod found into issues of a spec: pointer, code, expected and got, nearest known name. Pure. */
import { z } from 'zod';

import { type FailureCode, isFailureCode } from './failure.ts';
import { nearestName } from './nearest-name.ts';
import { pointerToken } from './spec-difference.ts';
import type { SpecIssue } from './spec-error.ts';

type ZodIssue = z.core.$ZodIssue;
export type Path = readonly PropertyKey[];

export function pointerOf(path: Path): string {
  return path.map((step) => `/${pointerToken(String(step))}`).join('');
}

/** Issues of one value; `base` is its path in the spec. */
export function issuesOf(error: z.ZodError, shape: z.ZodType, value: unknown, base: Path): SpecIssue[] {
  return error.issues.flatMap((issue) => issuesFrom(issue, shape, value, base));
}

/** A missing required field, as the shape itself cannot say it for the top level. */
export function missingField(path: Path): SpecIssue {
  return { pointer: pointerOf(path), code: 'SPEC_MISSING_FIELD', message: 'required, but not there' };
}

export function unknownField(path: Path, known: Iterable<string>): SpecIssue {
  return withNearest({ pointer: pointerOf(path), code: 'SPEC_UNKNOWN_FIELD', message: 'there is no such field' }, String(path.at(-1)), known);
}

/** What was written, short enough for a message. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}

function issuesFrom(issue: ZodIssue, shape: z.ZodType, root: unknown, base: Path): SpecIssue[] {
  const path = [...base, ...issue.path];
  const pointer = pointerOf(path);
  const value = valueAt(root, issue.path);
  const one = (code: FailureCode, message: string): SpecIssue[] => [{ pointer, code, message }];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownField([...path, key], knownKeys(shape, issue.path)));
    case 'invalid_type':
      return value === undefined ? [missingField(path)] : one('SPEC_WRONG_TYPE', `expected ${typeName(issue.expected)}, got ${shown(value)}`);
    case 'too_small':
      return one('SPEC_OUT_OF_RANGE', `expected ${bounded(issue.origin, 'at least', Number(issue.minimum))}, got ${measured(value)}`);
    case 'too_big':
      return one('SPEC_OUT_OF_RANGE', `expected ${bounded(issue.origin, 'at most', Number(issue.maximum))}, got ${measured(value)}`);
    case 'invalid_value': {
      if (value === undefined) return [missingField(path)];
      const words = issue.values.map(String);
      const code = pointer === '/millrace' ? 'SPEC_VERSION' : 'SPEC_BAD_VALUE';
      return [withNearest({ pointer, code, message: `expected ${oneOf(issue.values)}, got ${shown(value)}` }, value, words)];
    }
    case 'invalid_format':
      return one('SPEC_BAD_VALUE', `expected text matching ${issue.pattern ?? issue.format}, got ${shown(value)}`);
    case 'invalid_union':
      return unionIssues(issue.errors, issue, shape, root, base);
    case 'invalid_key':
      return one('SPEC_BAD_VALUE', `the name ${shown(issue.path.at(-1))} is not allowed here`);
    case 'custom': {
      const code: unknown = issue.params?.['code'];
      return one(typeof code === 'string' && isFailureCode(code) ? code : 'SPEC_BAD_VALUE', issue.message);
    }
    default:
      return one('SPEC_BAD_VALUE', `${issue.message}, got ${shown(value)}`);
  }
}

/** Of a union the branch that what was written is meant for: the one that got past its outermost type. */
function unionIssues(branches: readonly (readonly ZodIssue[])[], union: ZodIssue, shape: z.ZodType, root: unknown, base: Path): SpecIssue[] {
  const value = valueAt(root, union.path);
  if (value === undefined) return [missingField([...base, ...union.path])];
  const meant = branches.find((issues) => issues.some((issue) => issue.path.length > 0 || !isTypeIssue(issue)));
  if (meant) return meant.flatMap((issue) => issuesFrom({ ...issue, path: [...union.path, ...issue.path] } as ZodIssue, shape, root, base));
  const expected = branches.flatMap((issues) => issues.map(expectation));
  const pointer = pointerOf([...base, ...union.path]);
  const words = branches.flatMap((issues) => issues.flatMap((issue) => (issue.code === 'invalid_value' ? issue.values.map(String) : [])));
  const code = typeof value === 'string' && words.length > 0 ? 'SPEC_BAD_VALUE' : 'SPEC_WRONG_TYPE';
  return [withNearest({ pointer, code, message: `expected ${[...new Set(expected)].join(' or ')}, got ${shown(value)}` }, value, words)];
}

function isTypeIssue(issue: ZodIssue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

function expectation(issue: ZodIssue): string {
  if (issue.code === 'invalid_type') return typeName(issue.expected);
  return issue.code === 'invalid_value' ? oneOf(issue.values) : issue.message;
}

function withNearest(issue: SpecIssue, written: unknown, known: Iterable<string>): SpecIssue {
  const suggestion = typeof written === 'string' ? nearestName(written, known) : undefined;
  return suggestion === undefined ? issue : { ...issue, suggestion };
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  int: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

function typeName(expected: string): string {
  return typeNames[expected] ?? expected;
}

function oneOf(values: readonly unknown[]): string {
  return values.length === 1 ? shown(values[0]) : `one of ${values.map(shown).join(', ')}`;
}

function bounded(origin: string, bound: string, value: number): string {
  if (origin === 'string') return `text of ${bound} ${value} characters`;
  if (origin === 'array') return `a list of ${bound} ${value}`;
  return `${bound} ${value}`;
}

function measured(value: unknown): string {
  if (typeof value === 'string') return `${value.length} characters`;
  return Array.isArray(value) ? `${value.length}` : shown(value);
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, step) ? (value as Record<PropertyKey, unknown>)[step] : undefined;
  }, root);
}

/** The field names there are at a path of the shape. */
function knownKeys(shape: z.ZodType, path: Path): string[] {
  const [step, ...rest] = path;
  return branchesOf(shape).flatMap((branch) => {
    if (step === undefined) return branch instanceof z.ZodObject ? Object.keys(branch.shape) : [];
    if (branch instanceof z.ZodObject) {
      const member: unknown = branch.shape[String(step)];
      return member instanceof z.ZodType ? knownKeys(member, rest) : [];
    }
    if (branch instanceof z.ZodArray) return knownKeys(branch.element as z.ZodType, rest);
    return branch instanceof z.ZodRecord ? knownKeys(branch.valueType as z.ZodType, rest) : [];
  });
}

/** The shapes behind wrappers and unions. */
function branchesOf(shape: z.ZodType): z.ZodType[] {
  if (shape instanceof z.ZodDefault || shape instanceof z.ZodPrefault || shape instanceof z.ZodNullable || shape instanceof z.ZodOptional) {
    return branchesOf(shape.unwrap() as z.ZodType);
  }
  if (shape instanceof z.ZodLazy) return branchesOf(shape.unwrap() as z.ZodType);
  if (shape instanceof z.ZodUnion) return shape.options.flatMap((option) => branchesOf(option as z.ZodType));
  return shape instanceof z.ZodPipe ? branchesOf(shape.in as z.ZodType) : [shape];
}
