/**
 * Finds the records of a chunk that kill or exhaust the core, by halves, so that all others can commit. Pure but for the functions it is given; the
 * bounds keep a hopeless chunk from costing more than it is worth.
 */

/**
 * A range of whole records in a file: bytes `[start, end)`, number and line of the first record. Of a file of columns they are rows, of a chunk that a
 * producer sent its records, both from 0.
 */
export interface RecordRange {
  readonly start: number;
  readonly end: number;
  readonly record: number;
  readonly line: number;
  readonly records: number;
}

export interface BisectActions {
  /** Runs a range to its end without committing: null when the core survived, else the code of its end. */
  trial(range: RecordRange): Promise<string | null>;
  /** Splits a range of several records at a record start into two; fewer when that cannot be done. */
  halve(range: RecordRange): Promise<readonly RecordRange[]>;
  /** The time for this bisection has run out. */
  isOver(): boolean;
}

export interface PoisonRecord {
  readonly range: RecordRange;
  readonly code: string;
}

export type Bisection =
  | { readonly found: readonly PoisonRecord[]; readonly coreStarts: number }
  /** Over a bound: the smallest range that still failed. */
  | { readonly gaveUp: RecordRange; readonly coreStarts: number };

/** Cores that may die for one bisection. */
export const MAX_CORE_STARTS = 64;

/** The single records that fail when run alone, in order. Empty when nothing failed this time. */
export async function findPoison(whole: RecordRange, actions: BisectActions, maxCoreStarts = MAX_CORE_STARTS): Promise<Bisection> {
  const found: PoisonRecord[] = [];
  const open: RecordRange[] = [whole];
  let coreStarts = 0;
  let smallest = whole;
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    if (actions.isOver() || coreStarts >= maxCoreStarts) return { gaveUp: smallest, coreStarts };
    const code = await actions.trial(range);
    if (code === null) continue;
    coreStarts += 1;
    if (range.records < smallest.records) smallest = range;
    if (range.records <= 1) found.push({ range, code });
    else {
      const halves = await actions.halve(range);
      if (halves.length < 2) return { gaveUp: smallest, coreStarts };
      open.push(...[...halves].reverse());
    }
  }
  return { found, coreStarts };
}
