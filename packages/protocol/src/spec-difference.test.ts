import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { specDifferences } from './spec-difference.ts';

test('each difference is named with both sides', () => {
  const first = { a: 1, b: { c: [1, 2], 'x/y': 1 }, gone: null };
  const now = { a: 2, b: { c: [1, 3, 4], 'x/y': { z: 1 } } };
  assert.deepEqual(specDifferences(first, now), [
    { pointer: '/a', first: 1, now: 2 },
    { pointer: '/b/c/1', first: 2, now: 3 },
    { pointer: '/b/c/2', first: undefined, now: 4 },
    { pointer: '/b/x~1y', first: 1, now: { z: 1 } },
    { pointer: '/gone', first: null, now: undefined },
  ]);
});

test('equal values have none, and no more than the limit are named', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(specDifferences(value, structuredClone(value)), [])));
  assert.equal(specDifferences([1, 2, 3], [4, 5, 6], 2).length, 2);
});
