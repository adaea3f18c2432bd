/** A file that goes away after it was planned: its chunks die with full records, the job fails its budget, and a redrive completes what is left. */
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { JobFailedError, StateError } from '@millrace/producer';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { deadLetters, isSealed, manifest, openMarkers, verdictDigests } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const STAGE = 'clean';

let bench: Workbench;
before(() => {
  bench = new Workbench('redrive');
});
after(() => bench.close());

describe('a file that was moved away', () => {
  it('fails the job with dead letters, and once back is redriven as generation 2', async () => {
    const { directory: data } = bench.generate('data', { records: 20_000, files: 3 });
    const [file, away] = [join(data, 'orders-03.csv'), join(data, 'away')];
    const out = bench.path('out');
    const local = await bench.stack({ out, readRoots: [data], hostSlots: [1, 1] });
    try {
      const handle = await whileChunksWait(local.redisUrl, async () => {
        const submitted = await local.producer.submit(generatedSpec(data, out, '64KiB') as never, { idempotencyKey: 'moved' });
        await until('the plan', () => isSealed(out, submitted.jobId));
        renameSync(file, away);
        return submitted;
      });
      const { jobId } = handle;
      const first = followToEnd(handle);

      const failed = await first;
      assert.deepEqual([failed.state, failed.failure?.code, failed.generation], ['failed', 'BUDGET_DEAD_LETTERS', 1]);
      await assert.rejects(handle.result(), (error) => error instanceof JobFailedError && error.code === 'BUDGET_DEAD_LETTERS');
      expectLetters(out, jobId);
      const before = manifest(out, jobId, 1);
      assert.deepEqual([before.state, before.gaps], ['failed', []]);
      const untouched = verdictDigests(out, jobId, STAGE);

      renameSync(away, file);
      const opened = await handle.redrive('the file is back');
      assert.equal(opened.generation, 2);
      assert.equal(opened.chunks, before.chunks.total - before.chunks.committed);
      const completed = await followToEnd(handle, 2);
      assert.deepEqual([completed.state, completed.generation], ['completed', 2]);
      expectUntouched(untouched, verdictDigests(out, jobId, STAGE));
      const after = expectTidy(out, jobId, 2);
      assert.deepEqual([after.chunks.committed, after.chunks.dead, after.gaps.length], [after.chunks.total, 0, 0]);
      assert.ok(after.parts.some(({ uri }) => /\.000002-/.test(uri)));
      await expectTruth(data, out);
      await assert.rejects(handle.redrive('again'), (error) => error instanceof StateError || (error as { code?: string }).code === 'PLAN_EMPTY');
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
    assert.deepEqual(openMarkers(out), []);
  });
});

function expectLetters(out: string, jobId: string): void {
  const letters = deadLetters(out, jobId);
  assert.ok(letters.length > 0);
  for (const letter of letters) {
    assert.deepEqual([letter.class, letter.code, letter.generation, letter.stage], ['input', 'INPUT_NOT_FOUND', 1, STAGE]);
    assert.equal(letter.deadLetterId, `${jobId}.${STAGE}.${letter.chunk}.1`);
    assert.match(letter.range?.uri ?? '', /orders-03\.csv$/);
    assert.ok((letter.range?.end ?? 0) > (letter.range?.start ?? 0));
    const [attempt, ...others] = letter.attempts;
    assert.deepEqual(others, [], 'an input is not tried again');
    assert.deepEqual([attempt?.code, attempt?.outcome, attempt?.fingerprint], ['INPUT_NOT_FOUND', 'failed', letter.fingerprint]);
    assert.deepEqual(attempt?.range, letter.range);
    assert.match(attempt?.attemptId ?? '', /^a[0-9a-z]{26}$/);
    assert.match(attempt?.worker ?? '', /^worker-host-/);
    assert.ok(attempt !== undefined && attempt.startedAt <= attempt.endedAt && attempt.node !== null && attempt.coreVersion !== null && attempt.message !== '');
  }
}

function expectUntouched(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): void {
  for (const [name, digest] of before) {
    // A chunk without outcome was closed by the redrive: that verdict is new. Those that stood are as they were.
    assert.equal(now.get(name), digest, name);
  }
  assert.ok(now.size > before.size);
}
