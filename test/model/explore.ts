/** Visits every state that can be reached, breadth first, and stops at the first one that breaks an invariant, with the shortest way there. */
export interface Model<Rule extends string> {
  readonly start: Uint8Array;
  /** Calls `next` with every state that one atomic step leads to. */
  steps(state: Uint8Array, off: Rule | null, next: (state: Uint8Array, step: string) => void): void;
  /** Null, or which invariant does not hold. `before` is null at the start. */
  breach(state: Uint8Array, before: Uint8Array | null): string | null;
}

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** Longest of the shortest ways. */
  readonly depth: number;
  readonly breach: string | null;
  /** Steps to the breach. */
  readonly way: readonly string[];
}

/** `maxStates`: gives up with an error beyond it, for a search that is cut off proves nothing. */
export function explore<Rule extends string>(model: Model<Rule>, off: Rule | null, maxStates = 60_000_000): Exploration {
  const seen = new KeySet();
  let level: { state: Uint8Array; way: Way }[] = [{ state: model.start, way: null }];
  seen.add(keyOf(model.start));
  let transitions = 0;
  let depth = 0;
  let found: { breach: string; way: Way } | null = null;
  const first = model.breach(model.start, null);
  if (first !== null) return { states: 1, transitions: 0, depth: 0, breach: first, way: [] };
  // Ways are kept only where a breach is expected: without one they would hold every state in memory.
  const keepsWays = off !== null;
  while (level.length > 0 && found === null) {
    const following: typeof level = [];
    for (const { state, way } of level) {
      model.steps(state, off, (next, step) => {
        transitions += 1;
        if (found !== null) return;
        const extended: Way = keepsWays ? { step, before: way } : null;
        const breach = model.breach(next, state);
        if (breach !== null) found = { breach: keepsWays ? breach : `${breach} (by ${step})`, way: extended };
        if (!seen.add(keyOf(next))) return;
        if (seen.size > maxStates) throw new Error(`more than ${maxStates} states`);
        following.push({ state: next, way: extended });
      });
      if (found !== null) break;
    }
    level = following;
    if (level.length > 0) depth += 1;
  }
  const end = found as { breach: string; way: Way } | null;
  return { states: seen.size, transitions, depth, breach: end?.breach ?? null, way: stepsOf(end?.way ?? null) };
}

type Way = { readonly step: string; readonly before: Way } | null;

function stepsOf(way: Way): string[] {
  const steps: string[] = [];
  for (let at = way; at !== null; at = at.before) steps.unshift(at.step);
  return steps;
}

const keyOf = (state: Uint8Array): string => String.fromCharCode(...state);

/** A `Set` holds at most 2^24 entries. */
class KeySet {
  readonly #sets = [new Set<string>()];
  size = 0;

  add(key: string): boolean {
    if (this.#sets.some((set) => set.has(key))) return false;
    let last = this.#sets.at(-1) as Set<string>;
    if (last.size >= 16_000_000) {
      last = new Set();
      this.#sets.push(last);
    }
    last.add(key);
    this.size += 1;
    return true;
  }
}
