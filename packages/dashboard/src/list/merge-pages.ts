/** Bringing loaded pages up to date without moving a row: known rows change in place, new ones are only counted, and those that left are marked. Pure. */

export interface ListPage<Row> {
  readonly data: readonly Row[];
  readonly nextCursor: string | null;
  /** Exact; null: not counted. */
  readonly total: number | null;
  /** As it was understood. */
  readonly filter?: string;
}

export interface Refreshed<Row> {
  /** Number of the loaded page that was asked again. */
  readonly index: number;
  readonly page: ListPage<Row>;
}

export interface Merged<Row> {
  readonly pages: readonly ListPage<Row>[];
  /** Rows that would stand before or among the first page. */
  readonly newRows: number;
  /** Ids of rows that were not found again where they stood. */
  readonly left: ReadonlySet<string>;
}

/** `refreshed` in rising order of `index`, the first page among them. */
export function mergePages<Row>(loaded: readonly ListPage<Row>[], refreshed: readonly Refreshed<Row>[], idOf: (row: Row) => string): Merged<Row> {
  const found = new Map(refreshed.flatMap(({ page }) => page.data.map((row) => [idOf(row), row] as const)));
  const known = new Set(loaded.flatMap((page) => page.data.map(idOf)));
  const asked = new Set(refreshed.map(({ index }) => index));
  const left = new Set<string>();
  const pages = loaded.map((page, index) => {
    const data = page.data.map((row) => {
      const id = idOf(row);
      if (asked.has(index) && !found.has(id) && isCovered(index, page, refreshed)) left.add(id);
      return found.get(id) ?? row;
    });
    return { ...page, data, total: refreshed[0]?.page.total ?? page.total };
  });
  const first = refreshed.find(({ index }) => index === 0);
  const newRows = first === undefined ? 0 : first.page.data.filter((row) => !known.has(idOf(row))).length;
  return { pages, newRows, left };
}

/**
 * New rows push old ones over the end of a page that is asked again, so a row that is missing there has left only if the answer was not full,
 * or if no row of the answer is new.
 */
function isCovered<Row>(index: number, page: ListPage<Row>, refreshed: readonly Refreshed<Row>[]): boolean {
  const again = refreshed.find((each) => each.index === index)?.page;
  return again !== undefined && (again.nextCursor === null || again.data.length < page.data.length);
}
