import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimits } from './rate-limits.ts';

test('a minute’s worth at once, then as fast as the minute allows, for each caller by itself', () => {
  let nowMs = 0;
  const limits = new RateLimits(() => nowMs);
  for (let count = 0; count < 60; count++) assert.equal(limits.take('ada', 60), null);
  assert.equal(limits.take('ada', 60), 1);
  assert.equal(limits.isSpent('ada', 60), true);
  assert.equal(limits.take('bob', 60), null);
  nowMs += 1_000;
  assert.equal(limits.isSpent('ada', 60), false);
  assert.equal(limits.take('ada', 60), null);
  assert.equal(limits.take('ada', 60), 1);
  nowMs += 600_000;
  for (let count = 0; count < 60; count++) assert.equal(limits.take('ada', 60), null);
  assert.notEqual(limits.take('ada', 60), null);
});

test('who has not been seen longest is forgotten first', () => {
  const limits = new RateLimits(() => 0, 2);
  assert.equal(limits.take('ada', 1), null);
  assert.equal(limits.take('bob', 1), null);
  assert.notEqual(limits.take('ada', 1), null);
  assert.equal(limits.take('eve', 1), null);
  assert.notEqual(limits.take('ada', 1), null);
  assert.equal(limits.take('bob', 1), null);
});
