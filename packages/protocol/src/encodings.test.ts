import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodingLabels, isEncoding } from './encodings.ts';

const vectors = JSON.parse(readFileSync(new URL('../../../schemas/vectors/encoding-labels.json', import.meta.url), 'utf8')) as {
  available: string[];
};

test('every label of the Encoding Standard is known, and none else', () => {
  for (const label of vectors.available) assert.ok(isEncoding(label), label);
  const own = ['auto', 'latin-1'];
  assert.deepEqual(encodingLabels().sort(), [...own, ...vectors.available].sort());
  // Independent of the list: what this Node knows as the same encoding.
  for (const label of vectors.available.filter((name) => name !== 'x-user-defined')) assert.ok(new TextDecoder(label).encoding, label);
});

test('case and blanks do not count, and names that are never read are unknown', () => {
  assert.ok(isEncoding(' Windows-1252 '));
  for (const label of ['utf-7', 'utf-32', 'iso-2022-kr', 'replacement', 'klingon']) assert.ok(!isEncoding(label), label);
});
