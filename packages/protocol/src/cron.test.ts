import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CronError, firesBetween, lastFire, nextFire, parseCron } from './cron.ts';

const at = (text: string): number => Date.parse(text);
const shown = (instant: number | null): string | null => (instant === null ? null : new Date(instant).toISOString().slice(0, 16));

function fires(cron: string, zone: string, from: string, count: number): (string | null)[] {
  const found: (string | null)[] = [];
  for (let now: number | null = at(from); found.length < count && now !== null; found.push(shown(now))) now = nextFire(parseCron(cron), zone, now);
  return found;
}

test('fields are values, lists, ranges, steps and names', () => {
  assert.deepEqual(fires('0,30 9-10 * * mon-fri', 'UTC', '2026-11-20T10:29Z', 3), ['2026-11-20T10:30', '2026-11-23T09:00', '2026-11-23T09:30']);
  assert.deepEqual(fires('*/20 23 31 dec *', 'UTC', '2026-11-23T00:00Z', 3), ['2026-12-31T23:00', '2026-12-31T23:20', '2026-12-31T23:40']);
  assert.deepEqual(fires('5/20 0 * * *', 'UTC', '2026-11-23T00:00Z', 3), ['2026-11-23T00:05', '2026-11-23T00:25', '2026-11-23T00:45']);
  assert.deepEqual(fires('0 0 * * 7', 'UTC', '2026-11-23T00:00Z', 1), ['2026-11-29T00:00'], 'Sunday is 0 and 7');
});

test('where both kinds of day are given, one of them suffices', () => {
  assert.deepEqual(fires('0 0 13 * fri', 'UTC', '2026-11-07T00:00Z', 3), ['2026-11-13T00:00', '2026-11-20T00:00', '2026-11-27T00:00']);
  assert.deepEqual(fires('0 0 13 * 1', 'UTC', '2026-11-12T00:00Z', 2), ['2026-11-13T00:00', '2026-11-16T00:00']);
});

test('a local time that a clock change skips fires at the next instant, once', () => {
  assert.deepEqual(fires('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', 2), ['2026-03-29T01:00', '2026-03-30T00:30']);
  assert.deepEqual(fires('0,30 2-3 * * *', 'Europe/Berlin', '2026-03-29T00:00Z', 3), ['2026-03-29T01:00', '2026-03-29T01:30', '2026-03-30T00:00']);
  // Midnight itself is skipped: a daily schedule must not lose the day.
  assert.deepEqual(fires('0 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00Z', 2), ['2018-11-04T03:00', '2018-11-05T02:00']);
});

test('a local time that repeats fires the first time only', () => {
  assert.deepEqual(fires('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', 2), ['2026-10-25T00:30', '2026-10-26T01:30']);
  assert.deepEqual(fires('15 1 * * *', 'America/New_York', '2026-10-31T12:00Z', 2), ['2026-11-01T05:15', '2026-11-02T06:15']);
  // Half an hour back.
  assert.deepEqual(fires('45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T00:00Z', 2), ['2026-04-04T14:45', '2026-04-05T15:15']);
});

test('a day that there is only in leap years, and none at all', () => {
  assert.deepEqual(fires('0 0 29 2 *', 'UTC', '2097-01-01T00:00Z', 1), ['2104-02-29T00:00']);
  for (const text of ['0 0 30 2 *', '0 0 31 4,6,9,11 *']) assert.throws(() => parseCron(text), CronError, text);
});

test('what is wrong is named by its field', () => {
  const wrong: [string, RegExp][] = [
    ['', /five fields.*got 0/],
    ['* * * *', /got 4/],
    ['* * * * * *', /got 6/],
    ['60 * * * *', /minute: expected 0 to 59, got "60"/],
    ['* 24 * * *', /hour/],
    ['* * 0 * *', /day of the month/],
    ['* * * foo *', /month: expected 1 to 12 or a name such as jan/],
    ['* * * * 8', /day of the week/],
    ['*/0 * * * *', /step/],
    ['5-1 * * * *', /ascends/],
    ['@daily', /five fields/],
    ['1,,2 * * * *', /minute/],
  ];
  for (const [text, message] of wrong) assert.throws(() => parseCron(text), message, text);
});

test('fires ascend, lie behind the instant that was asked, and listing agrees with asking one by one', () => {
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'America/Sao_Paulo', 'Australia/Lord_Howe', 'Pacific/Apia');
  const cron = fc.constantFrom('*/7 * * * *', '30 2 * * *', '0 0 1 * *', '15 */5 * * 1-5', '0 0 * * *');
  const instant = fc.integer({ min: at('2010-01-01T00:00Z'), max: at('2030-01-01T00:00Z') });
  fc.assert(
    fc.property(cron, zone, instant, (text, timezone, from) => {
      const parsed = parseCron(text);
      const { fires: listed } = firesBetween(parsed, timezone, from, from + 3 * 86_400_000, 50);
      for (const [index, fire] of listed.entries()) assert.ok(fire > (listed[index - 1] ?? from));
      assert.equal(nextFire(parsed, timezone, from) ?? null, listed[0] ?? nextFire(parsed, timezone, from));
      const last = lastFire(parsed, timezone, from, from + 3 * 86_400_000);
      const all = firesBetween(parsed, timezone, from, from + 3 * 86_400_000, 10_000).fires;
      assert.equal(last, all.at(-1) ?? null);
    }),
    { numRuns: 30 },
  );
});
