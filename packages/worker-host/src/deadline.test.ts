import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { attemptDeadlineMs } from './deadline.ts';

describe('attemptDeadlineMs', () => {
  it('grows with the bytes, from a minute on', () => {
    assert.equal(attemptDeadlineMs(0, 'auto'), 60_000);
    assert.equal(attemptDeadlineMs(8 << 20, 'auto'), 60_000 + 8_389);
    fc.assert(fc.property(fc.nat(), fc.nat(), (a, b) => attemptDeadlineMs(a + b, 'auto') >= attemptDeadlineMs(a, 'auto')));
  });

  it('is what the job says, whatever the bytes', () => {
    assert.equal(attemptDeadlineMs(1e12, 5_000), 5_000);
  });

  it('is doubled for a bisection', () => {
    assert.equal(attemptDeadlineMs(0, 'auto', true), 120_000);
    assert.equal(attemptDeadlineMs(1, 5_000, true), 10_000);
  });
});
