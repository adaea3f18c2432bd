import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { fullJitter } from './backoff.ts';
import { idSource, systemClock, systemRandom } from './clock.ts';
import { FakeClock, seededRandom } from './testing/index.ts';

test('full jitter stays between nothing and the doubled base, up to its maximum', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), (tries, seed) => {
      const delayMs = fullJitter(tries, { baseMs: 100, maxMs: 5_000 }, seededRandom(seed));
      assert.ok(delayMs >= 0 && delayMs < Math.min(5_000, 100 * 2 ** (tries - 1)));
    }),
  );
});

test('sleeping ends in order of time, and early when aborted', async () => {
  const clock = new FakeClock();
  const woken: number[] = [];
  const sleeps = [30, 10, 20].map((ms) => clock.sleep(ms).then(() => woken.push(ms)));
  clock.advance(30);
  await Promise.all(sleeps);
  assert.deepEqual(woken, [10, 20, 30]);
  const abort = new AbortController();
  const rejected = assert.rejects(clock.sleep(10, abort.signal), /enough/);
  abort.abort(new Error('enough'));
  await rejected;
  assert.equal(clock.waiting, 0);
});

test('the real clock sleeps, gives up when aborted, and never goes back', async () => {
  const before = systemClock.monotonicMs();
  const keepAlive = setInterval(() => {}, 50);
  await systemClock.sleep(5);
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(new Error('enough'))), /enough/);
  clearInterval(keepAlive);
  assert.ok(systemClock.monotonicMs() > before);
  assert.equal(idSource().randomBytes(4).length, 4);
  assert.ok(systemRandom.next() < 1);
});

test('random bytes are given out once, and stay what they were', () => {
  const sizes = Array.from({ length: 2_000 }, (_, at) => [10, 16, 32, 5_000][at % 4] ?? 10);
  const then: string[] = [];
  const given = sizes.map((size) => {
    const bytes = systemRandom.bytes(size);
    then.push(Buffer.from(bytes).toString('hex'));
    return bytes;
  });
  assert.deepEqual(
    given.map(({ length }) => length),
    sizes,
  );
  const now = given.map((bytes) => Buffer.from(bytes).toString('hex'));
  assert.deepEqual(now, then);
  assert.equal(new Set(now.map((text) => text.slice(0, 20))).size, sizes.length);
  const ones = given.reduce((sum, bytes) => sum + bytes.reduce((bits, byte) => bits + byte.toString(2).replaceAll('0', '').length, 0), 0);
  const bits = sizes.reduce((sum, size) => sum + size * 8, 0);
  assert.ok(Math.abs(ones / bits - 0.5) < 0.01, `${ones} of ${bits} bits are set`);
});
