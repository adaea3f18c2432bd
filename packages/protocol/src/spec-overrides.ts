/** What a redrive may change in the spec of a job, and the spec that comes of it. Pure. */
import { checkJobSpec } from './job-spec.ts';
import type { ResolvedJobSpec } from './job-spec-shape.ts';
import type { Overrides } from './redrive-plan.ts';
import { type Difference, specDifferences } from './spec-difference.ts';
import type { SpecIssue } from './spec-error.ts';

/** Not a place in the spec: the result version of the generation. */
export const resultVersionOverride = 'resultVersion';

export interface Overridden {
  readonly spec: ResolvedJobSpec;
  /** In order of their place. */
  readonly changes: readonly Difference[];
}

/** What the schema asks of values; which columns there are, their types and places were settled when the input was planned. */
const settingsOfValues =
  /^(\/inputs\/\d+)?\/schema\/(missingValues|fields\/\d+\/(format|missingValues|trim|onError|decimalChar|groupChar|bareNumber|trueValues|falseValues|timezone|constraints\/(required|minimum|maximum|minLength|maxLength|pattern|enum)))(\/|$)/;

/** Who may change, by JSON Pointer; the first that fits decides. What fits none belongs to another job. */
const rules: readonly { readonly places: RegExp; readonly may: 'yes' | 'notYet' | 'notKeys' | 'never' }[] = [
  { places: /^\/execution\/tenant(\/|$)/, may: 'never' },
  { places: /^\/(execution|deadLetters)\//, may: 'yes' },
  { places: /^\/rejects\/uri(\/|$)/, may: 'never' },
  { places: /^\/rejects\//, may: 'yes' },
  { places: /^\/pipeline\/\d+\/sql$/, may: 'yes' },
  { places: /^\/inputs\/\d+\/(name|uri|list|expect)(\/|$)/, may: 'never' },
  { places: /^(\/inputs\/\d+)?\/schema\/(primaryKey|fields\/\d+\/constraints\/unique)(\/|$)/, may: 'notKeys' },
  { places: settingsOfValues, may: 'yes' },
  { places: /^\/(inputs|schema|pipeline)(\/|$)/, may: 'notYet' },
];

/** The spec with these places set, checked like any other; `issues` name what cannot be. */
export function overriddenSpec(before: ResolvedJobSpec, overrides: Overrides): Overridden | { readonly issues: readonly SpecIssue[] } {
  const written = structuredClone(before) as unknown as Record<string, unknown>;
  for (const [path, value] of Object.entries(overrides)) {
    if (path === resultVersionOverride) continue;
    const issue = setPlace(written, path, value);
    if (issue !== null) return { issues: [issue] };
  }
  const checked = checkJobSpec(written);
  if ('issues' in checked) return checked;
  const changes = specDifferences(before, checked.spec);
  const issues = overrideIssues(changes);
  return issues.length > 0 ? { issues } : { spec: checked.spec, changes };
}

/** Of changes that a redrive may not make. */
export function overrideIssues(changes: readonly Difference[]): SpecIssue[] {
  return changes.flatMap(({ pointer }): SpecIssue[] => {
    const may = rules.find(({ places }) => places.test(pointer))?.may ?? 'never';
    if (may === 'yes') return [];
    if (may === 'notYet') {
      const message =
        'a redrive with another way of reading the input, other columns or types, or other stages is not available in this version; what the schema asks of values may change';
      return [{ pointer, code: 'SPEC_NOT_AVAILABLE', message }];
    }
    if (may === 'notKeys') {
      const message = 'neither a redrive nor a replay can change which keys are unique: who owns a key was settled for what is committed; submit another job';
      return [{ pointer, code: 'SPEC_CONFLICT', message }];
    }
    return [{ pointer, code: 'SPEC_CONFLICT', message: 'a redrive cannot change this: it makes another job' }];
  });
}

function setPlace(spec: Record<string, unknown>, path: string, value: unknown): SpecIssue | null {
  const names = path.split('.');
  const pointer = `/${names.join('/')}`;
  let place: unknown = spec;
  for (const name of names.slice(0, -1)) place = Object.hasOwn(place as object, name) ? (place as Record<string, unknown>)[name] : undefined;
  const last = names.at(-1) ?? '';
  const isPlace = typeof place === 'object' && place !== null && last !== '__proto__' && (!Array.isArray(place) || Object.hasOwn(place, last));
  if (!isPlace) return { pointer, code: 'SPEC_UNKNOWN_FIELD', message: 'there is no such place in the resolved spec' };
  (place as Record<string, unknown>)[last] = value;
  return null;
}
