import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placesOf } from './palette-places.ts';

const id = '01kbxq3v9mzzzzzzzzzzzz8t2c';

test('an id leads to its page, a code to its errors, a word to a search', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    [`j${id}`, `/jobs/j${id}`],
    [`j${id}.clean.31`, `/jobs/j${id}/chunks/clean/31`],
    [`j${id}.clean.31.2`, `/dead?row=j${id}.clean.31.2`],
    [`j${id}.clean.31.r7`, `/rejects/j${id}.clean.31.r7`],
    [`o${id}`, `/operations/o${id}`],
    [`p${id}`, `/redrives/new?plan=p${id}`],
    ['fp1-0123456789abcdef', '/errors/fp1-0123456789abcdef'],
    ['storage_timeout', '/errors?q=code%3ASTORAGE_TIMEOUT'],
    ['orders', '/jobs?q=orders'],
    ['no "space', `/jobs?q=${encodeURIComponent('"no \\"space"')}`],
    ['a', undefined],
  ];
  for (const [text, expected] of cases) assert.equal(placesOf(text)[0]?.href, expected, text);
});
