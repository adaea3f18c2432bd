/**
 * Dead letters of two codes through real processes: frozen, counted, redriven behind a canary that fails and one that holds, healed; and the same on the
 * command line. At the end every record is where the generator says.
 */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Operation, RedrivePlan } from '@millrace/protocol';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { cli, documents } from './support/cli.ts';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { isSealed, manifest } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('redrive-operation');
});
after(() => bench.close());

async function untilOperation(local: LocalStack, id: string, isIt: (operation: Operation) => boolean): Promise<Operation> {
  let last: Operation | null = null;
  await until(
    'the operation',
    async () => {
      last = await local.producer.redrives.operation(id);
      return isIt(last);
    },
    { every: 50, describe: () => JSON.stringify(last) },
  );
  return last as unknown as Operation;
}

async function plan(local: LocalStack, filter: string, overrides: Record<string, unknown> = {}): Promise<RedrivePlan | { code: string }> {
  let found: RedrivePlan | { code: string } = { code: 'REBUILDING' };
  await until('a plan', async () => {
    found = await local.producer.redrives.plan({ filter, overrides }).catch((error: { code: string }) => ({ code: error.code }));
    return !('code' in found) || found.code !== 'REBUILDING';
  });
  return found;
}

describe('an operation over dead letters', () => {
  it('heals a job of two broken files, canary first', async () => {
    const { directory: data } = bench.generate('data', { records: 50_000, files: 3 });
    const [gone, changed] = [join(data, 'orders-02.csv'), join(data, 'orders-03.csv')];
    const [goneAway, changedAway] = [join(data, 'away-02'), join(data, 'away-03')];
    const out = bench.path('out');
    const spec = generatedSpec(data, out, '64KiB', { deadLetters: { maxChunks: null, maxRatio: null } });
    const local = await bench.stack({ out, readRoots: [data], hostSlots: [1, 1] });
    let jobId = '';
    let total = 0;
    try {
      const handle = await whileChunksWait(local.redisUrl, async () => {
        const submitted = await local.producer.submit(spec as never, { idempotencyKey: 'two' });
        await until('the plan', () => isSealed(out, submitted.jobId));
        renameSync(gone, goneAway);
        renameSync(changed, changedAway);
        writeFileSync(changed, 'another file\n');
        return submitted;
      });
      ({ jobId } = handle);
      const ended = await followToEnd(handle);
      assert.equal(ended.state, 'completed', 'both are within the budget');
      const { gaps, chunks } = manifest(out, jobId, 1);
      ({ total } = chunks);
      const codes = Map.groupBy(gaps, ({ code }) => code);
      const [missing, other] = [codes.get('INPUT_NOT_FOUND')?.length ?? 0, codes.get('INPUT_CHANGED')?.length ?? 0];
      assert.ok(missing > 3 && other > 3, JSON.stringify([missing, other, chunks]));

      assert.deepEqual(await plan(local, 'code:INPUT_*'), { code: 'PLAN_EMPTY' });
      renameSync(goneAway, gone);
      const partly = await plan(local, `job:${jobId}`);
      assert.ok('planId' in partly);
      assert.deepEqual(partly.counts, { matched: missing + other, willRedrive: missing, resolvedSince: 0, cannot: other });
      assert.ok(partly.cannot.every(({ reason }) => reason === 'INPUT_CHANGED'));
      // It goes away again behind the plan: the canary finds out, and nothing else is tried.
      renameSync(gone, goneAway);
      const { operationId } = await local.producer.redrives.start({
        planId: partly.planId,
        confirm: missing,
        rate: null,
        canary: { count: 3, minResolved: 0.8 },
      });
      const paused = await untilOperation(local, operationId, ({ state }) => state === 'paused');
      assert.deepEqual([paused.why?.code, paused.counts.failedAgain, paused.counts.released], ['CANARY_FAILED', 3, 3]);
      renameSync(goneAway, gone);
      await local.producer.redrives.steer({ operationId, act: 'resume' });
      const finished = await untilOperation(local, operationId, ({ endedAt }) => endedAt !== null);
      assert.deepEqual(finished.counts, { total: missing, released: missing, resolved: missing - 3, failedAgain: 3, skipped: 0 });
      assert.equal((await followToEnd(handle, 2)).state, 'completed');

      renameSync(changedAway, changed);
      const { sql } = (spec['pipeline'] as { sql: string }[])[0] ?? { sql: '' };
      const refused = await plan(local, 'code:INPUT_CHANGED', { 'pipeline.0.sql': `SELECT *, 1 AS more FROM (${sql}) AS t` });
      assert.deepEqual(refused, { code: 'SPEC_CONFLICT' }, 'the parts of a job share their columns');
      const rest = await plan(local, 'code:INPUT_CHANGED', { 'pipeline.0.sql': `SELECT * FROM (${sql}) AS t` });
      assert.ok('planId' in rest);
      assert.equal(rest.confirm, other);
      assert.deepEqual(
        rest.changes.map(({ pointer }) => pointer),
        ['/pipeline/0/sql'],
      );
      const healed = await local.producer.redrives.start({ planId: rest.planId, confirm: other, rate: 500, canary: { count: 2, minResolved: 1 } });
      const done = await untilOperation(local, healed.operationId, ({ endedAt }) => endedAt !== null);
      assert.deepEqual([done.state, done.counts.resolved, done.canaryPassed], ['finished', other, true]);
      assert.equal((await followToEnd(handle, 3)).state, 'completed');
      const groups = await local.producer.redrives.errorGroups({ filter: `job:${jobId}` });
      assert.deepEqual(
        new Map(groups.groups.map(({ code, failures, dead }) => [code, [failures, dead]])),
        new Map([
          ['INPUT_NOT_FOUND', [missing + 3, 3]],
          ['INPUT_CHANGED', [other, 0]],
        ]),
      );
    } finally {
      await local.stop();
    }

    await onTheCommandLine(out);
    const after = expectTidy(out, jobId, 4);
    assert.deepEqual([after.chunks.committed, after.chunks.dead, after.gaps.length], [total, 0, 0]);
    await expectTruth(data, out);
    await bench.expectNothingRuns();
  });
});

/** Three dead letters are left; the index is made from the journal by a stack that has never seen it. */
async function onTheCommandLine(out: string): Promise<void> {
  const run = async (...args: string[]) => {
    const end = await cli([...args, '--json']);
    return { ...end, documents: documents(end) as Record<string, never>[] };
  };
  const letters = await run('dead', 'ls', out, 'code:INPUT_NOT_FOUND');
  assert.equal(letters.documents.length, 3, letters.stderr);
  assert.equal((await run('dead', 'ls', out, 'code:INPUT_CHANGED')).documents.length, 0);
  assert.equal((await run('dead', 'ls', out, 'cod:X')).code, 2);
  const errors = await run('errors', 'ls', out, 'dead:>0');
  assert.deepEqual(
    errors.documents.map(({ code, dead }) => [code, dead]),
    [['INPUT_NOT_FOUND', 3]],
    errors.stderr,
  );
  const { fingerprint } = errors.documents[0] as unknown as { fingerprint: string };
  assert.equal((await run('errors', 'resolve', out, fingerprint, '--note', 'moved back')).documents[0]?.['state'], 'resolved');
  const chunk = `${letters.documents[0]?.['stage']}.${letters.documents[0]?.['chunk']}`;
  const tried = await run('attempts', out, chunk);
  assert.deepEqual(
    tried.documents.map(({ outcome, generation }) => [outcome, generation]),
    [
      ['failed', 2],
      ['failed', 1],
    ],
  );
  const difference = (await run('attempts', out, chunk, '--diff')).documents[0] as unknown as { differences: { pointer: string }[] };
  assert.ok(difference.differences.some(({ pointer }) => pointer === '/generation'));
  const ops = await run('ops', 'ls', out);
  assert.deepEqual(
    ops.documents.map(({ state }) => state),
    ['finished', 'finished'],
  );

  const dry = await run('redrive', out, 'code:INPUT_NOT_FOUND', '--dry-run');
  const planned = dry.documents[0] as unknown as { plan: RedrivePlan };
  assert.deepEqual([dry.code, planned.plan.confirm], [0, 3], dry.stderr);
  assert.equal((await run('redrive', out, 'code:INPUT_NOT_FOUND')).code, 9, 'nobody can be asked');
  const redriven = await run('redrive', out, 'code:INPUT_NOT_FOUND', '--yes', '--canary', '1', '--rate', '50', '--set', 'execution.maxAttempts=3');
  assert.equal(redriven.code, 0, redriven.stderr + redriven.stdout);
  const last = redriven.documents.at(-1) as unknown as { operation: Operation };
  assert.deepEqual([last.operation.state, last.operation.counts.resolved], ['finished', 3]);
}
