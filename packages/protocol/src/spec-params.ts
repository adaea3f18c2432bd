/**
 * Parameters of a spec. `${params.x}` may stand in URIs, labels and the output's place and is replaced by text; `$x` in SQL is bound as a value
 * and never pasted. Pure.
 */
import { nearestName } from './nearest-name.ts';
import type { SpecIssue } from './spec-error.ts';

export type Params = Readonly<Record<string, string | number | boolean | null>>;

/** The text with its parameters replaced; unknown ones are added to `issues` and stay. */
export function substituteParams(text: string, params: Params, pointer: string, issues: SpecIssue[]): string {
  return text.replace(/\$\{([^}]*)\}/g, (written, reference: string) => {
    const name = /^params\.(.+)$/.exec(reference)?.[1];
    if (name === undefined) {
      const message = reference.startsWith('schedule.') ? `${written} has a value only in a schedule` : `expected \${params.<name>}, got ${written}`;
      issues.push({ pointer, code: 'SPEC_PARAM_UNKNOWN', message });
      return written;
    }
    const value = paramValue(name, params, written, pointer, issues);
    if (typeof value === 'string' && value.includes('${')) {
      issues.push({ pointer, code: 'SPEC_BAD_VALUE', message: `the value of ${written} contains \${` });
    }
    return value === undefined ? written : String(value ?? '');
  });
}

/** Issues for each `$name` in SQL, outside of quotes and comments, that has no value. */
export function sqlParamIssues(sql: string, params: Params, pointer: string): SpecIssue[] {
  const issues: SpecIssue[] = [];
  for (const name of new Set(sqlParams(sql))) paramValue(name, params, `$${name}`, pointer, issues);
  return issues;
}

/** Names of the parameters that SQL text uses. */
export function sqlParams(sql: string): string[] {
  // Quoted text, quoted names, comments and dollar-quoted text are stepped over; what remains after a `$` is a parameter.
  const token = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$([A-Za-z_]*)\$[\s\S]*?\$\1\$|\$([A-Za-z_][A-Za-z0-9_]*)/g;
  return [...sql.matchAll(token)].flatMap((match) => match[2] ?? []);
}

function paramValue(name: string, params: Params, written: string, pointer: string, issues: SpecIssue[]): Params[string] | undefined {
  if (Object.hasOwn(params, name)) return params[name];
  const suggestion = nearestName(name, Object.keys(params));
  issues.push({ pointer, code: 'SPEC_PARAM_UNKNOWN', message: `${written} has no value in params`, ...(suggestion !== undefined && { suggestion }) });
  return undefined;
}
