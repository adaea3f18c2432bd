import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ListPage, mergePages } from './merge-pages.ts';

interface Row {
  readonly id: string;
  readonly state: string;
}

const rows = (...ids: readonly string[]): Row[] => ids.map((id) => ({ id, state: 'running' }));
const page = (data: readonly Row[], nextCursor: string | null = null): ListPage<Row> => ({ data, nextCursor, total: data.length });
const idOf = ({ id }: Row): string => id;

test('a row changes where it stands, and a new one is only counted', () => {
  const loaded = [page(rows('c', 'b'), '1'), page(rows('a'))];
  const again = page(
    [
      { id: 'd', state: 'accepted' },
      { id: 'c', state: 'completed' },
    ],
    '1',
  );
  const merged = mergePages(loaded, [{ index: 0, page: again }], idOf);
  assert.deepEqual(merged.pages[0]?.data, [
    { id: 'c', state: 'completed' },
    { id: 'b', state: 'running' },
  ]);
  assert.equal(merged.newRows, 1);
  assert.deepEqual([...merged.left], [], 'b was pushed over the end of the page, it has not left');
});

test('a row that the whole answer does not have has left', () => {
  const merged = mergePages([page(rows('c', 'b', 'a'))], [{ index: 0, page: page(rows('c', 'a')) }], idOf);
  assert.deepEqual([...merged.left], ['b']);
  assert.equal(merged.pages[0]?.data.length, 3);
  assert.equal(merged.pages[0]?.total, 2);
});

test('a row of a page that was not asked again stays as it is', () => {
  const merged = mergePages([page(rows('c', 'b'), '1'), page(rows('a'))], [{ index: 0, page: page(rows('c', 'b'), '1') }], idOf);
  assert.deepEqual([...merged.left], []);
  assert.equal(merged.newRows, 0);
});
