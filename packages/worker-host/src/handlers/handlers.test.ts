import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isPartOf } from './job-parts.ts';
import { runsOf } from './plan-inputs.ts';

describe('runsOf', () => {
  it('groups neighbours', () => {
    assert.deepEqual(runsOf([]), []);
    assert.deepEqual(runsOf([0, 1, 2]), [[0, 3]]);
    assert.deepEqual(runsOf([0, 2, 3, 7]), [
      [0, 1],
      [2, 2],
      [7, 1],
    ]);
  });

  it('loses and adds nothing', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200)), (numbers) => {
        const sorted = [...numbers].sort((a, b) => a - b);
        const runs = runsOf(sorted);
        assert.deepEqual(
          runs.flatMap(([first, count]) => Array.from({ length: count }, (_, index) => first + index)),
          sorted,
        );
        for (const [index, [first]] of runs.entries()) assert.ok(index === 0 || first > (runs[index - 1]?.[0] ?? 0) + (runs[index - 1]?.[1] ?? 0));
      }),
    );
  });
});

describe('isPartOf', () => {
  const job = `j${'0'.repeat(26)}`;
  const attempt = `a${'1'.repeat(26)}`;
  const part = (name: string): string => `file:///out/${name}`;

  it('knows parts and rejects of a job up to a generation', () => {
    assert.ok(isPartOf(part(`part-clean-000227-0-${job}-${attempt}.parquet`), job, 1));
    assert.ok(isPartOf(part(`part-clean-000227.000002-13-${job}-${attempt}.csv`), job, 2));
    assert.ok(isPartOf(part(`part-clean-000227-0-${job}-${attempt}.csv.gz`), job, 1));
    assert.ok(isPartOf(part(`country=DE/part-clean-000227-0-${job}-${attempt}.parquet`), job, 1));
    assert.ok(isPartOf(part(`a/orders-2026-clean-000227-0-${job}-${attempt}.parquet`), job, 1));
    assert.ok(isPartOf(part(`_rejects/rejects-read-000000-${job}-${attempt}.pq`), job, 1));
    assert.ok(isPartOf(part(`.tmp-part-clean-000227-0-${job}-${attempt}.parquet-17`), job, 1));
    assert.ok(isPartOf(part(`rejects-read-1000000.000003-${job}-${attempt}.pq`), job, 3));
  });

  it('leaves later generations, other jobs and everything else alone', () => {
    assert.ok(!isPartOf(part(`part-clean-000227.000002-0-${job}-${attempt}.csv`), job, 1));
    assert.ok(!isPartOf(part(`part-clean-000227-0-j${'9'.repeat(26)}-${attempt}.csv`), job, 1));
    const others = [
      '_SUCCESS',
      `_manifests/${job}.000001.json`,
      'part-00000.parquet',
      `part-clean-000227-0-${job}.csv`,
      `part-clean-000227-0-${job}-${attempt}.csv.gz.keep`,
      `part-clean-000227-0-${job}-${attempt}.csv.keep/x`,
      `.tmp-${attempt}-0`,
      `.tmp-part-clean-000227-0-j${'9'.repeat(26)}-${attempt}.parquet-17`,
    ];
    for (const name of others) assert.ok(!isPartOf(part(name), job, 9), name);
  });
});
