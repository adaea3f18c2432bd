/** What two resolved specs differ in: named when a key is used again for another spec. Pure. */

export interface Difference {
  /** JSON Pointer. */
  readonly pointer: string;
  /** Undefined (absent in JSON): not there. */
  readonly first: unknown;
  readonly now: unknown;
}

/** Differences in order of their place, at most `limit` of them. Lists of another length are compared entry by entry. */
export function specDifferences(first: unknown, now: unknown, limit = 100): Difference[] {
  const found: Difference[] = [];
  compare(first, now, '', found, limit);
  return found;
}

function compare(first: unknown, now: unknown, pointer: string, found: Difference[], limit: number): void {
  if (found.length >= limit || Object.is(first, now)) return;
  if (!isContainer(first) || !isContainer(now) || Array.isArray(first) !== Array.isArray(now)) {
    found.push({ pointer, first, now });
    return;
  }
  const names = [...new Set([...Object.keys(first), ...Object.keys(now)])];
  for (const name of Array.isArray(first) ? names : names.sort()) {
    compare(memberOf(first, name), memberOf(now, name), `${pointer}/${pointerToken(name)}`, found, limit);
  }
}

/** One step of a JSON Pointer (RFC 6901). */
export function pointerToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function memberOf(container: object, name: string): unknown {
  return Object.hasOwn(container, name) ? (container as Record<string, unknown>)[name] : undefined;
}
