import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkLeaseTimes, leaseTimes } from './times.ts';

test('the ratios of lease, renewal and fence hold at every scale that is accepted', () => {
  for (const scale of [100, 10, 1, 0.5, 0.1, 0.05, 0.02, 0.01]) {
    const times = leaseTimes(scale);
    assert.equal(checkLeaseTimes(times), null);
    assert.ok(times.renewMs + times.socketTimeoutMs < times.fenceMs && times.fenceMs < times.leaseMs, String(scale));
    assert.ok(times.renewMs * 3 < times.leaseMs);
  }
  assert.equal(leaseTimes().leaseMs, 60_000);
  assert.equal(leaseTimes(0.05).leaseMs, 3_000);
});

test('a scale that makes no sense is refused', () => {
  for (const scale of [0, -1, Number.NaN, 101, Infinity]) assert.throws(() => leaseTimes(scale), RangeError);
});

test('times that would let a host act beyond its lease are found out', () => {
  assert.match(checkLeaseTimes({ ...leaseTimes(), renewMs: 20_000 }) ?? '', /must be below the fence/);
  assert.match(checkLeaseTimes({ ...leaseTimes(), fenceMs: 50_000 }) ?? '', /0.6 of the lease/);
});
