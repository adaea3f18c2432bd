/**
 * Records that kill their core, hang it, or get lost in it: run with the core that has such records (`millrace-core-hooks`). One record costs one
 * record, a hang is noticed, and what does not add up fails loudly.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { deadLetters, failures, manifest } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('poison', { hooks: true });
});
after(() => bench.close());

/** A stack over a CSV file with one record in the middle that holds `marker`. */
async function withMarked(name: string, marker: string, act: (local: LocalStack, spec: never, out: string) => Promise<void>): Promise<void> {
  const lines = Array.from({ length: 500 }, (_, index) => `${index + 1},${index === 250 ? marker : 'plain'}`);
  const file = bench.path(`${name}.csv`);
  writeFileSync(file, `id,name\n${lines.join('\n')}\n`);
  const out = bench.path(`${name}-out`);
  const local = await bench.stack({ out, readRoots: [bench.home] });
  try {
    const spec = { name, inputs: { uri: pathToFileURL(file).href, format: 'csv' }, output: { uri: `${pathToFileURL(out).href}/` } };
    await act(local, spec as never, out);
  } finally {
    await local.stop();
  }
  await bench.expectNothingRuns();
}

describe('a record that kills its core', () => {
  it('is found and becomes one reject; everything else commits', async () => {
    const { directory: data, expected } = bench.generate('data', { records: 3_000, faults: 'coreCrash=0.0006,badNumber=0.001' });
    const crashes = readFileSync(join(data, 'truth.ndjson'), 'utf8').match(/"CORE_CRASH"/g)?.length ?? 0;
    assert.ok(crashes >= 2, `${crashes} records that crash were planted`);
    const out = bench.path('out');
    const local = await bench.stack({ out, readRoots: [data] });
    try {
      const handle = await local.producer.submit(generatedSpec(data, out, '64KiB') as never, { idempotencyKey: 'poison' });
      const status = await followToEnd(handle);
      assert.equal(status.state, 'completed', status.failure?.message);
      const ended = expectTidy(out, handle.jobId);
      assert.deepEqual([ended.byCode['CORE_CRASH'], ended.balance.rejected], [crashes, expected.balance.rejected]);
      await expectTruth(data, out);
      const records = failures(out, handle.jobId);
      assert.ok(
        records.length >= 2 &&
          records.every(({ code, signal, class: failureClass }) => code === 'CORE_CRASH' && signal === 'SIGABRT' && failureClass === 'crash'),
      );
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });
});

describe('a record that hangs its core', () => {
  it('is noticed although the core says that it lives, and the core is killed', async () => {
    await withMarked('hang', 'MILLRACE_CORE_HANG', async (local, spec, out) => {
      const handle = await local.producer.submit(spec, { idempotencyKey: 'hang' });
      await until('the hang to be on record', () => failures(out, handle.jobId).length > 0, { every: 50 });
      const [record] = failures(out, handle.jobId);
      assert.deepEqual([record?.code, record?.class, record?.signal], ['CORE_HUNG', 'crash', 'SIGKILL']);
      await handle.cancel('seen enough');
      const status = await followToEnd(handle);
      assert.equal(status.state, 'cancelled');
    });
  });
});

describe('a record that is lost inside the core', () => {
  it('fails the job loudly', async () => {
    await withMarked('lost', 'MILLRACE_DROP_RECORD', async (local, spec, out) => {
      const handle = await local.producer.submit(spec, { idempotencyKey: 'lost' });
      const status = await followToEnd(handle);
      assert.equal(status.state, 'failed');
      const [letter] = deadLetters(out, handle.jobId);
      assert.equal(letter?.class, 'bug');
      assert.match(letter?.code ?? '', /^(BALANCE_MISMATCH|PLAN_CONFLICT)$/);
      assert.equal(manifest(out, handle.jobId).balance.recordsIn, 0);
    });
  });
});
