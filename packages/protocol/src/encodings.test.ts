import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodingLabels, encodingSupport } from './encodings.ts';

const vectors = JSON.parse(readFileSync(new URL('../../../schemas/vectors/encoding-labels.json', import.meta.url), 'utf8')) as {
  available: string[];
  later: string[];
};

test('every label of the Encoding Standard is known, and none else', () => {
  for (const label of vectors.available) assert.equal(encodingSupport(label), 'available', label);
  for (const label of vectors.later) assert.equal(encodingSupport(label), 'later', label);
  const own = ['auto', 'latin-1'];
  assert.deepEqual(encodingLabels().sort(), [...own, ...vectors.available, ...vectors.later].sort());
  // Independent of the list: what this Node knows as the same encoding.
  for (const label of vectors.available.filter((name) => name !== 'x-user-defined')) assert.ok(new TextDecoder(label).encoding, label);
});

test('case and blanks do not count, and names that are never read are unknown', () => {
  assert.equal(encodingSupport(' Windows-1252 '), 'available');
  for (const label of ['utf-7', 'utf-32', 'iso-2022-kr', 'replacement', 'klingon']) assert.equal(encodingSupport(label), 'unknown', label);
});
