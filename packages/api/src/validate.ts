/** Requests against the schemas of their route: every issue at once, each with its place, what was expected and what was got. Pure. */
import type { ProblemIssue, Route } from '@millrace/api-contract';
import { nearestName } from '@millrace/protocol';
import { z } from 'zod';
import { ApiProblem } from './problem.ts';

export interface Given {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

export interface Checked {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

const nothing = z.strictObject({});

/** Throws `REQUEST_INVALID` with every issue. A route without a schema for a part takes nothing there. */
export function checkRequest(route: Route, given: Given): Checked {
  const issues: ProblemIssue[] = [];
  const check = (at: string, shape: z.ZodType, value: unknown): unknown => {
    const read = shape.safeParse(value, { reportInput: true });
    if (read.success) return read.data;
    issues.push(...issuesOf(read.error, at, shape));
    return undefined;
  };
  const checked = {
    params: check('/params', route.params ?? nothing, given.params),
    query: check('/query', route.query ?? nothing, given.query),
    body: route.accepts === undefined ? checkBody(route, given.body, check) : given.body,
  };
  if (issues.length === 0) return checked;
  const detail =
    issues.length === 1 ? `the request cannot be read: ${issues[0]?.pointer}: ${issues[0]?.message}` : `${issues.length} places of the request are wrong`;
  throw new ApiProblem('REQUEST_INVALID', detail, { issues: issues.slice(0, mostIssues) });
}

const mostIssues = 100;

function checkBody(route: Route, body: unknown, check: (at: string, shape: z.ZodType, value: unknown) => unknown): unknown {
  if (route.body !== undefined) return check('', route.body, body ?? (route.bodyOptional ? {} : undefined));
  // Clients that always send a body send an empty one.
  return check('', nothing, body ?? {});
}

export function issuesOf(error: z.ZodError, at: string, shape: z.ZodType): ProblemIssue[] {
  return error.issues.flatMap((issue) => problemIssues(issue, at, shape));
}

type Issue = z.core.$ZodIssue;

function problemIssues(issue: Issue, at: string, shape: z.ZodType): ProblemIssue[] {
  const pointer = at + pointerOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path.length === 0 ? namesOf(shape) : [];
    return issue.keys.map((key) => {
      const suggestion = nearestName(key, known);
      const message = known.length === 0 ? 'there is no such field' : `there is no such field, expected ${known.join(', ')}`;
      return { pointer: `${pointer}/${escaped(key)}`, code: 'REQUEST_INVALID', message, ...(suggestion === undefined ? {} : { suggestion }) };
    });
  }
  // Of alternatives the one that fits best says what is wrong: the fewest issues, where a field that it does not have weighs double.
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const best = [...issue.errors].sort((a, b) => weight(a) - weight(b))[0] ?? [];
    if (best.some(({ path }) => path.length > 0) || best.some(({ code }) => code === 'unrecognized_keys')) {
      const inner = best.flatMap((one) => problemIssues({ ...one, path: [...issue.path, ...one.path] } as Issue, at, shape));
      if (inner.length > 0) return inner;
    }
  }
  return [{ pointer, code: 'REQUEST_INVALID', message: messageOf(issue) }];
}

const weight = (issues: readonly Issue[]): number => issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 2 * issue.keys.length : 1), 0);

function messageOf(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined) return `a required field is missing, expected ${issue.expected}`;
  if (issue.code === 'invalid_value') return `expected one of ${issue.values.map(String).join(', ')}, got ${shown(issue.input)}`;
  const { message } = issue;
  return /^expected/.test(message) ? `${message}, got ${shown(issue.input)}` : message.replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}

/** Short enough to be read. */
function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function namesOf(shape: z.ZodType): string[] {
  return shape instanceof z.ZodObject ? Object.keys(shape.shape) : [];
}

const escaped = (step: string): string => step.replaceAll('~', '~0').replaceAll('/', '~1');
const pointerOf = (path: readonly PropertyKey[]): string => path.map((step) => `/${escaped(String(step))}`).join('');
