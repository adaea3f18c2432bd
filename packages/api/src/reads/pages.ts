/** Pages of lists that are short enough to lie in memory as a whole. */
import { z } from 'zod';
import type { Api } from '../api.ts';

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface Page<Item> {
  readonly data: Item[];
  readonly nextCursor: string | null;
  readonly total: number;
}

const number = z.int().min(0);

/** The number that a cursor of this list holds; null without one. Throws `CURSOR_INVALID`. */
export function numberOf(list: string, { cursor }: PageQuery, api: Pick<Api, 'cursors'>): number | null {
  return cursor === undefined ? null : api.cursors.read(list, cursor, number);
}

/** Newest first: the cursor counts what is left at the old end, so that what comes meanwhile at the new one shifts nothing. */
export function newestFirstPage<Item>(list: string, items: readonly Item[], query: PageQuery, api: Pick<Api, 'cursors'>): Page<Item> {
  const left = Math.min(numberOf(list, query, api) ?? items.length, items.length);
  const from = items.length - left;
  const data = items.slice(from, from + query.limit);
  const older = left - data.length;
  return { data, nextCursor: older > 0 ? api.cursors.write(list, older) : null, total: items.length };
}
