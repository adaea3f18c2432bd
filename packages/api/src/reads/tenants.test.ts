import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import type { Api } from '../api.ts';
import { Cursors } from '../cursors.ts';
import { newestFirstPage } from './pages.ts';
import { acrossTenants } from './tenants.ts';

const api = { cursors: new Cursors(new Uint8Array(32), () => 0) } as Api;

/** As the scheduler pages: `after` is the last item shown, null at the end. */
const askOf = (lists: ReadonlyMap<string, readonly string[]>) => async (tenant: string, limit: number, after: string | null) => {
  const all = lists.get(tenant) ?? [];
  const from = after === null ? 0 : all.indexOf(after) + 1;
  const items = all.slice(from, from + limit);
  return { items, total: all.length, after: from + items.length < all.length ? (items.at(-1) ?? null) : null };
};

test('property: pages over several tenants hold everything once, in order, and say how much there is', async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 0, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 12 }), async (counts, limit) => {
      const lists = new Map(counts.map((count, tenant) => [`t${tenant}`, Array.from({ length: count }, (_, at) => `${tenant}.${at}`)]));
      const all = [...lists.values()].flat();
      const found: string[] = [];
      let cursor: string | undefined;
      for (let pages = 0; pages <= all.length + 1; pages += 1) {
        const page = await acrossTenants('list', { limit, cursor }, [...lists.keys()], askOf(lists), api);
        assert.equal(page.total, all.length);
        assert.ok(page.data.length <= limit);
        assert.ok(page.nextCursor === null || page.data.length === limit, 'a page is full while there is a next one');
        found.push(...page.data);
        if (page.nextCursor === null) break;
        cursor = page.nextCursor;
      }
      assert.deepEqual(found, all);
    }),
    { numRuns: 200 },
  );
});

test('a list that grows at its new end is paged to its old end without anything twice', () => {
  const list = ['c', 'b', 'a'];
  const first = newestFirstPage('l', list, { limit: 2 }, api);
  assert.deepEqual([first.data, first.total], [['c', 'b'], 3]);
  const second = newestFirstPage('l', ['e', 'd', ...list], { limit: 2, cursor: first.nextCursor ?? '' }, api);
  assert.deepEqual([second.data, second.nextCursor, second.total], [['a'], null, 5]);
});
