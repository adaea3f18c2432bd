import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { directoryOfPattern, isHiddenBelow, isPattern, patternOf } from './glob.ts';

const cases: readonly (readonly [pattern: string, path: string, matches: boolean])[] = [
  ['/in/*.csv', '/in/a.csv', true],
  ['/in/*.csv', '/in/b/a.csv', false],
  ['/in/*.csv', '/in/a.csv.gz', false],
  ['/in/**/*.csv', '/in/a.csv', true],
  ['/in/**/*.csv', '/in/b/c/a.csv', true],
  ['/in/**', '/in/b/c/a.csv', true],
  ['/in/?.csv', '/in/a.csv', true],
  ['/in/?.csv', '/in/ab.csv', false],
  ['/in/[a-c].csv', '/in/b.csv', true],
  ['/in/[!a-c].csv', '/in/b.csv', false],
  ['/in/[!a-c].csv', '/in/d.csv', true],
  ['/in/{a,b}.csv', '/in/b.csv', true],
  ['/in/{a,b}.csv', '/in/c.csv', false],
  ['/in/{2024,2025}-*/x.csv', '/in/2025-01/x.csv', true],
  ['/in/a+b (1).*', '/in/a+b (1).csv', true],
  ['/in/a.csv*', '/in/aXcsv', false],
];

describe('patterns of inputs', () => {
  for (const [pattern, path, matches] of cases)
    test(`${pattern} ${matches ? 'takes' : 'leaves'} ${path}`, () => assert.equal(patternOf(pattern).test(path), matches));

  test('are told from plain paths, and listed from the first step that is one', () => {
    assert.equal(isPattern('/in/a b.csv'), false);
    assert.equal(directoryOfPattern('/in/2025/*/a[0-9].csv'), '/in/2025/');
    assert.equal(directoryOfPattern('/*.csv'), '/');
  });

  test('that do not close are refused', () => {
    assert.throws(() => patternOf('/in/[a'), /\[ without \]/);
    assert.throws(() => patternOf('/in/{a,b'), /\{ without \}/);
  });

  test('of a directory leave out what is hidden below it', () => {
    assert.equal(isHiddenBelow('/_data/', '/_data/a.csv'), false);
    assert.equal(isHiddenBelow('/data/', '/data/_SUCCESS'), true);
    assert.equal(isHiddenBelow('/data/', '/data/.git/a.csv'), true);
  });
});
