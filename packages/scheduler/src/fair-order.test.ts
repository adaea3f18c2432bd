import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Candidate, fairOrder } from './fair-order.ts';

const job = (jobId: string, priority: number, count: number): Candidate<string> => ({
  jobId,
  priority,
  items: Array.from({ length: count }, (_, index) => `${jobId}${index}`),
});

describe('the order of dispatch', () => {
  test('takes turns among equals', () => {
    assert.deepEqual(fairOrder([job('a', 5, 3), job('b', 5, 1), job('c', 5, 2)], 10), ['a0', 'b0', 'c0', 'a1', 'c1', 'a2']);
  });

  test('serves the highest priority first', () => {
    assert.deepEqual(fairOrder([job('a', 1, 2), job('b', 9, 2)], 3), ['b0', 'b1', 'a0']);
  });

  test('goes on behind the job that was served last', () => {
    assert.deepEqual(fairOrder([job('a', 5, 2), job('b', 5, 2), job('c', 5, 2)], 2, 'a'), ['b0', 'c0']);
    assert.deepEqual(fairOrder([job('a', 5, 2), job('b', 5, 2)], 1, 'b'), ['a0']);
  });

  test('never takes more than is free, nothing twice, and shares evenly among equals', () => {
    const counts = fc.array(fc.nat(20), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(counts, fc.nat(60), (sizes, free) => {
        const order = fairOrder(
          sizes.map((size, index) => job(String.fromCharCode(97 + index), 5, size)),
          free,
        );
        assert.equal(
          order.length,
          Math.min(
            free,
            sizes.reduce((sum, size) => sum + size, 0),
          ),
        );
        assert.equal(new Set(order).size, order.length);
        const served = sizes.map((size, index) => ({ size, got: order.filter((item) => item.startsWith(String.fromCharCode(97 + index))).length }));
        const most = Math.max(...served.map(({ got }) => got));
        for (const { size, got } of served) assert.ok(got === size || got >= most - 1, 'a job with more to do got less than its turn');
      }),
    );
  });
});
