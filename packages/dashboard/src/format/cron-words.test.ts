import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronWords } from './cron-words.ts';

test('cron fields are told in words', () => {
  const cases: readonly (readonly [string, string | null])[] = [
    ['15 2 * * *', 'at 02:15, every day'],
    ['* * * * *', 'every minute'],
    ['*/15 * * * *', 'every 15 minutes'],
    ['*/10 8-17 * * 1-5', 'every 10 minutes from 08:00 to 17:59, Monday to Friday'],
    ['5 * * * *', 'at minute 5 of every hour'],
    ['7,37 * * * *', 'at minutes 7 and 37 of every hour'],
    ['0 */2 * * *', 'at minute 0 of every 2nd hour'],
    ['30 6,18 * * *', 'at 06:30 and 18:30, every day'],
    ['0 4 * * sat,sun', 'at 04:00, Saturday and Sunday'],
    ['0 4 * * 0,5,6', 'at 04:00, Friday to Sunday'],
    ['0 0 1 * *', 'at 00:00, on day 1 of the month'],
    ['0 0 1,15 * *', 'at 00:00, on days 1 and 15 of the month'],
    ['0 0 1 1,7 *', 'at 00:00, on day 1 of the month, in January and July'],
    ['0 0 1 * mon', 'at 00:00, on day 1 of the month or Monday'],
    ['0 9 * 11-12 *', 'at 09:00, in November and December'],
    ['0 9 * 3-5 *', 'at 09:00, in March to May'],
    ['0 1,5,9,13,17,20,23 * * *', 'at minute 0 of the hours 01, 05, 09, 13, 17, 20 and 23'],
    ['60 * * * *', null],
    ['nightly', null],
  ];
  for (const [cron, words] of cases) assert.equal(cronWords(cron), words, cron);
});
