import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StripCell } from '@millrace/api-contract';
import fc from 'fast-check';
import { cellAt, drawnCells, offsetAt, panned, wholeView, zoomed } from './strip-cells.ts';

const cells = (count: number, length: number): StripCell[] =>
  Array.from({ length: count }, (_, at) => ({
    start: Math.floor((length * at) / count),
    end: Math.floor((length * (at + 1)) / count),
    state: 'committed',
    chunks: 1,
    first: at,
    last: at,
    rejects: 0,
  }));

test('cells fill the strip without holes, at any width, and none vanishes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 300, max: 2_000 }), fc.integer({ min: 300, max: 10_000_000 }), (count, width, length) => {
      const drawn = drawnCells(cells(count, length), wholeView(length), width);
      assert.equal(drawn.length, count);
      let covered = 0;
      for (const cell of drawn) {
        assert.ok(cell.x <= covered && cell.width >= 1);
        covered = Math.max(covered, cell.x + cell.width);
      }
      assert.ok(covered === width || covered === width + 1, `${covered} of ${width}`);
    }),
  );
});

test('what is under the pointer is what is drawn there', () => {
  const all = cells(4, 400);
  assert.equal(cellAt(all, offsetAt(250, wholeView(400), 1_000))?.first, 1);
  assert.equal(cellAt(all, offsetAt(1_000, wholeView(400), 1_000)), null, 'the end is exclusive');
  assert.equal(offsetAt(-5, wholeView(400), 1_000), 0);
});

test('a zoom keeps what is under the pointer where it is, and stays inside the whole', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0.5, 0.8, 1.25, 2), (share, factor) => {
      const length = 10_000;
      const view = { start: 2_000, end: 6_000 };
      const around = view.start + share * (view.end - view.start);
      const next = zoomed(view, around, factor, length, 500);
      assert.ok(next.start >= 0 && next.end <= length + 1e-6);
      const inside = next.start > 0 && next.end < length;
      if (inside) assert.ok(Math.abs((around - next.start) / (next.end - next.start) - share) < 1e-6);
    }),
  );
  assert.deepEqual(zoomed({ start: 0, end: 100 }, 50, 2, 100, 10), { start: 0, end: 100 });
  assert.deepEqual(panned({ start: 50, end: 100 }, 1, 100), { start: 50, end: 100 });
});
