import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { canonicalRow, RowDigester } from './digest.ts';

test('a digest is the count and the exact sums of the first 64 bits of SHA-256, whatever the order', () => {
  const rows = Array.from({ length: 5_000 }, (_, index) => canonicalRow([String(index), index % 7 === 0 ? null : `värde ${index}`]));
  const digester = new RowDigester();
  for (const row of [...rows].reverse()) digester.add(row);
  let sum = 0n;
  let squares = 0n;
  for (const row of rows) {
    const h = hash('sha256', row, 'buffer').readBigUInt64BE(0);
    sum += h;
    squares = (squares + h * h) % (1n << 128n);
  }
  assert.deepEqual(digester.digest(), { rows: 5_000, sum: sum.toString(16), sumOfSquares: squares.toString(16) });
});

test('canonical rows tell null, empty and neighbouring values apart, and count characters', () => {
  const texts = [canonicalRow([null, '']), canonicalRow(['', null]), canonicalRow(['ab', 'c']), canonicalRow(['a', 'bc']), canonicalRow(['-'])];
  assert.equal(new Set(texts).size, texts.length);
  assert.equal(canonicalRow(['𝄞é']), '2:𝄞é');
});
