import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FilterError, type FilterFields, type FilterItem, globMatches, matchesFilter, parseFilter } from './filter.ts';

const fields: FilterFields = {
  code: 'text',
  class: 'text',
  name: 'text',
  file: 'text',
  attempts: 'number',
  bytes: 'size',
  offset: 'offset',
  age: 'age',
  created: 'instant',
  'label.*': 'text',
};
const nowMs = Date.parse('2026-11-23T12:00:00Z');
const letter: FilterItem = {
  code: 'CSV_SHORT_ROW',
  class: 'data',
  name: 'orders-import',
  file: ['s3://acme/orders.csv', 'orders.csv'],
  attempts: 3,
  bytes: 64 * 1024 ** 2,
  offset: { start: 1_200_000_000, end: 1_300_000_000 },
  age: '2026-11-22T12:00:00Z',
  created: '2026-11-22T12:00:00Z',
  'label.team': 'risk * desk',
  words: ['clean.227', 'expected 9 fields, no space left'],
};
const matches = (text: string): boolean => matchesFilter(parseFilter(text, fields), letter, nowMs);

describe('a filter', () => {
  const table: readonly (readonly [string, boolean])[] = [
    ['', true],
    ['code:CSV_SHORT_ROW', true],
    ['code:csv_*', true],
    ['code:CSV', false],
    ['code:TYPE_*,CSV_*', true],
    ['-code:TYPE_*,CSV_*', false],
    ['code:CSV_* class:lost', false],
    ['code:CSV_* -class:lost', true],
    ['file:orders.csv', true],
    ['file:*/orders.csv', true],
    ['file:invoices*', false],
    ['attempts:3', true],
    ['attempts:>3', false],
    ['attempts:>=3', true],
    ['attempts:<3', false],
    ['attempts:1..3', true],
    ['attempts:4..', false],
    ['attempts:..2,3', true],
    ['bytes:64MiB', true],
    ['bytes:<=64MB', false],
    ['bytes:>64MB', true],
    ['offset:1.2GB', true],
    ['offset:1.3GB', false],
    ['offset:1199999999', false],
    ['offset:1GB..1.2GB', true],
    ['offset:1.29GB..2GB', true],
    ['offset:>1.3GB', false],
    ['offset:<1.2GB', false],
    ['age:<2d', true],
    ['age:>1d', false],
    ['age:24h', true],
    ['created:2026-11-22', true],
    ['created:>2026-11-22', false],
    ['created:>=2026-11-22T12:00:00Z', true],
    ['created:2026-11-01..2026-11-21', false],
    ['label.team:"risk * desk"', true],
    ['label.team:"risk ?? desk"', false],
    ['label.team:"*"', false],
    ['label.team:*', true],
    ['label.other:*', false],
    ['-label.other:*', true],
    ['"no space"', true],
    ['space fields', true],
    ['-"no space"', false],
    ['nothing', false],
    ['clean.227', true],
  ];
  for (const [text, expected] of table) test(`${text || 'that is empty'} ${expected ? 'holds' : 'does not hold'}`, () => assert.equal(matches(text), expected));

  test('is shown as it was understood, and means the same when it is read again', () => {
    for (const [text] of table) {
      const shown = parseFilter(text, fields).text;
      assert.equal(parseFilter(shown, fields).text, shown);
      assert.equal(matches(shown), matches(text), shown);
    }
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['cod:X', /unknown field "cod".*did you mean code\?/],
    ['__proto__:x', /unknown field/],
    ['label.:', /needs a value/],
    ['code:', /code: needs a value/],
    ['code:A,,B', /needs a value/],
    ['attempts:many', /expected a number for attempts, got "many"/],
    ['attempts:5..1', /from more to less/],
    ['bytes:1XB', /a size such as/],
    ['age:2026', /an age such as/],
    ['created:yesterday', /an instant such as/],
    ['"open', /quote is not closed/],
    ['x'.repeat(5_000), /at most 4096 characters/],
  ];
  for (const [text, message] of wrong) {
    test(`${text.slice(0, 20)} is refused`, () => {
      assert.throws(
        () => parseFilter(text, fields),
        (error) => error instanceof FilterError && message.test(error.message),
      );
    });
  }
});

test('many stars do not take long', () => {
  assert.equal(globMatches('*a'.repeat(50), 'a'.repeat(10_000)), true);
  assert.equal(globMatches(`${'*a'.repeat(50)}b`, 'a'.repeat(10_000)), false);
});
