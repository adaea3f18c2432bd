import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startTestJournal } from '@millrace/journal/testing';
import { newJobId } from '@millrace/protocol';
import { idSource, systemClock, systemRandom } from '@millrace/service-kit';
import fc from 'fast-check';
import { isPartOf } from './job-parts.ts';
import { gaveUp, runsOf } from './plan-inputs.ts';

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

describe('a file that planning gave up', () => {
  it('has the code of its newest dead letter, and one of its own without any', async () => {
    await using kept = await startTestJournal();
    const jobId = newJobId(idSource(systemClock, systemRandom));
    const file = { file: 3, uri: 'file:///in/3.csv' };
    const die = (generation: number, code: string) =>
      kept.journal.putDeadLetter({
        record: 'deadLetter',
        version: 1,
        deadLetterId: `${jobId}.plan.3.${generation}`,
        jobId,
        stage: 'plan',
        chunk: 3,
        generation,
        class: 'resource',
        code,
        message: `because of ${code}`,
        fingerprint: 'fp1-0',
        diedAt: '2026-11-23T12:00:00.000Z',
        reason: 'attempts used up',
        range: null,
        attempts: [],
      });
    assert.equal((await gaveUp(file, { jobId, generation: 2 }, kept.journal)).code, 'CORE_CRASH');
    await die(1, 'CORE_TIME_LIMIT');
    assert.deepEqual(await gaveUp(file, { jobId, generation: 2 }, kept.journal), { ...file, code: 'CORE_TIME_LIMIT', message: 'because of CORE_TIME_LIMIT' });
    await die(2, 'CORE_MEMORY');
    assert.equal((await gaveUp(file, { jobId, generation: 2 }, kept.journal)).code, 'CORE_MEMORY');
    assert.equal((await gaveUp(file, { jobId, generation: 1 }, kept.journal)).code, 'CORE_TIME_LIMIT');
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
