import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatCount, formatDuration, formatNoun, formatShare } from './numbers.ts';
import { fileName, shortenMiddle, visibleText } from './texts.ts';
import { formatAge, formatCountdown, formatInstant, formatInstantInFull } from './times.ts';

function check<Input>(format: (input: Input) => string, cases: readonly (readonly [Input, string])[]): void {
  for (const [input, expected] of cases) assert.equal(format(input), expected, JSON.stringify(input));
}

test('counts are grouped, and what is no number is a dash', () => {
  check(formatCount, [
    [0, '0'],
    [999, '999'],
    [1_000, '1,000'],
    [9_204_410, '9,204,410'],
    [-1_234, '−1,234'],
    [1234.5, '1,234.5'],
    [Number.NaN, '–'],
  ]);
  assert.equal(formatNoun(1, 'job'), '1 job');
  assert.equal(formatNoun(2_000, 'entry', 'entries'), '2,000 entries');
});

test('sizes never show 1000 of a unit', () => {
  check(formatBytes, [
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [9_949_999, '9.9 MB'],
    [1_932_735_283, '1.9 GB'],
    [8_700_000_000_000_000_000, '8700 PB'],
  ]);
});

test('durations have two units at most', () => {
  check(formatDuration, [
    [0, '0 ms'],
    [999.4, '999 ms'],
    [9_999, '9.9 s'],
    [59_999, '59 s'],
    [60_000, '1 m'],
    [3_720_000, '1 h 2 m'],
    [172_800_000, '2 d'],
    [-5, '0 ms'],
  ]);
});

test('a share is never 0 % of something nor 100 % of less than all', () => {
  const share = ([part, whole]: readonly [number, number]): string => formatShare(part, whole);
  check(share, [
    [[0, 741], '0 %'],
    [[1, 1_000_000], '<0.1 %'],
    [[4, 1_000], '0.4 %'],
    [[995, 1_000], '99 %'],
    [[999_999, 1_000_000], '>99.9 %'],
    [[741, 741], '100 %'],
    [[3, 2], '150 %'],
    [[0, 0], '–'],
  ]);
});

test('instants say as much as is needed, ages one unit', () => {
  const now = Date.parse('2026-11-23T15:00:00Z');
  check(
    (at: string) => formatInstant(Date.parse(at), 'utc', now),
    [
      ['2026-11-23T14:02:11Z', '14:02:11'],
      ['2026-11-04T14:02:11Z', 'Nov 4 14:02'],
      ['2025-11-04T14:02:11Z', 'Nov 4 2025'],
    ],
  );
  assert.equal(formatInstantInFull(now, 'utc'), '2026-11-23 15:00:00 UTC');
  check(
    (apart: number) => formatAge(now - apart, now),
    [
      [0, 'now'],
      [42_000, '42 s ago'],
      [3 * 3_600_000, '3 h ago'],
      [72 * 3_600_000, '3 d ago'],
      [-300_000, 'in 5 m'],
    ],
  );
  check(formatCountdown, [
    [-1, '00:00'],
    [41_001, '00:42'],
    [3_723_000, '1:02:03'],
  ]);
});

test('long ids keep both ends, and hostile letters are shown as marks', () => {
  assert.equal(shortenMiddle('j01kbxq3v9mzzzzzzzzzz8t2c', 11), 'j01kb…z8t2c');
  assert.equal(shortenMiddle('short', 11), 'short');
  assert.equal(fileName('s3://acme/orders/2026.csv.gz'), '2026.csv.gz');
  assert.equal(fileName('s3://acme/orders/'), 'orders');
  assert.equal(visibleText('a\u0000b\u202Egnp.exe\nx'), 'a␀b⟨202E⟩gnp.exe␊x');
  assert.equal(visibleText('two\nlines\t\u001b[31m', true), 'two\nlines\t␛[31m');
});
