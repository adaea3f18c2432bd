/**
 * Finds the records of a chunk that kill or exhaust the core, by halves, so that all others can commit. Pure but for the two functions it is
 * given; the bounds keep a hopeless chunk from costing more than it is worth.
 */

/** A range of whole records in a file: bytes `[start, end)`, number and line of the first record. */
export interface RecordRange {
  readonly start: number;
  readonly end: number;
  readonly record: number;
  readonly line: number;
  readonly records: number;
}

export interface BisectActions {
  /** Runs a range to its end without committing; true when the core survived. */
  survives(range: RecordRange): Promise<boolean>;
  /** Splits a range at record starts into two; one range when it holds a single record. */
  halve(range: RecordRange): Promise<readonly RecordRange[]>;
}

export type Bisection =
  | { readonly found: readonly RecordRange[]; readonly coreStarts: number }
  /** Over the limit: the smallest range that still failed. */
  | { readonly gaveUp: RecordRange; readonly coreStarts: number };

export const MAX_CORE_STARTS = 64;

/** The single records that fail when run alone. Empty when nothing failed this time. */
export async function findPoison(whole: RecordRange, actions: BisectActions, maxCoreStarts = MAX_CORE_STARTS): Promise<Bisection> {
  const found: RecordRange[] = [];
  const open: RecordRange[] = [whole];
  let coreStarts = 0;
  let smallest = whole;
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    if (await actions.survives(range)) continue;
    coreStarts += 1;
    if (range.end - range.start < smallest.end - smallest.start) smallest = range;
    if (coreStarts >= maxCoreStarts) return { gaveUp: smallest, coreStarts };
    const halves = await actions.halve(range);
    if (halves.length < 2) found.push(range);
    else open.push(...[...halves].reverse());
  }
  return { found, coreStarts };
}
