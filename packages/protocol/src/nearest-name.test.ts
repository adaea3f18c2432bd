import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nearestName } from './nearest-name.ts';

test('the name a person probably meant', () => {
  const names = ['delimiter', 'quoteChar', 'header', 'headerRows'];
  const cases: [string, string | undefined][] = [
    ['delimeter', 'delimiter'],
    ['quote_char', 'quoteChar'],
    ['Header', 'header'],
    ['headerRow', 'headerRows'],
    ['haeder', 'header'],
    ['', undefined],
    ['banana', undefined],
  ];
  for (const [written, expected] of cases) assert.equal(nearestName(written, names), expected, written);
});
