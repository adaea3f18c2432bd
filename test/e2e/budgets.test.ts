/** Error budgets while a job runs: it stops early with evidence that names what to look at, and a larger budget goes on where it stopped. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { validate } from '@millrace/producer';
import { type JobSpec, newRequestId, resolveJobSpec } from '@millrace/protocol';
import { openQueues } from '@millrace/queues';
import { idSource, leaseTimes, silentLog } from '@millrace/service-kit';
import { startApiStack } from './support/api-stack.ts';
import { cli } from './support/cli.ts';
import { partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { manifest, verdictDigests } from './support/journal-files.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('budgets');
});
after(() => bench.close());

const records = 60_000;
/** Of each hundred records one has an amount that is none; every thousandth has a surplus field. */
const line = (id: number): string => `${id},${id % 100 === 7 ? 'none' : `${id}.50`}${id % 1000 === 13 ? ',surplus' : ''}\n`;
const isBad = (id: number): boolean => id % 100 === 7 || id % 1000 === 13;

function specOf(out: string, file: string, rejects: JobSpec['rejects']): JobSpec {
  return {
    name: 'budgets',
    inputs: { uri: pathToFileURL(file).href, format: 'csv' },
    schema: {
      fields: [
        { name: 'id', type: 'integer' },
        { name: 'amount', type: 'number', precision: 12, scale: 2 },
      ],
    },
    output: { uri: `${pathToFileURL(out).href}/` },
    execution: { chunkSize: '64KiB' },
    rejects,
  } as JobSpec;
}

describe('a job over the budget of one column', () => {
  it('stops early with samples of that column, and goes on under a larger one', async () => {
    const file = bench.path('in.csv');
    writeFileSync(file, `id,amount\n${Array.from({ length: records }, (_, at) => line(at + 1)).join('')}`);
    const out = bench.path('out');
    const tight = specOf(out, file, { maxRatio: null, perColumn: { amount: { maxRows: 40 } } });
    const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1] });
    try {
      const handle = await local.producer.submit(validate(tight) as never, { idempotencyKey: 'tight' });
      const { jobId } = handle;
      const failed = await followToEnd(handle);
      assert.deepEqual([failed.state, failed.failure?.code], ['failed', 'BUDGET_COLUMN']);
      assert.ok(failed.chunks.committed < failed.chunks.total, `stopped after ${failed.chunks.committed} of ${failed.chunks.total} chunks`);
      const { evidence } = manifest(out, jobId, 1).failure ?? {};
      assert.ok(evidence, 'the manifest says which budget it was');
      assert.deepEqual([evidence.budget, evidence.subject, evidence.limit, evidence.of], ['rejects.perColumn.amount.maxRows', 'amount', 40, null]);
      assert.ok(evidence.value > 40);
      assert.deepEqual(evidence.codes, { TYPE_NUMBER: evidence.value });
      assert.equal(evidence.samples.length, 10);
      for (const sample of evidence.samples) {
        assert.ok('record' in sample);
        assert.deepEqual([sample.code, sample.column, sample.record % 100, sample.line], ['TYPE_NUMBER', 'amount', 7, sample.record + 1]);
      }
      assert.ok(!JSON.stringify(manifest(out, jobId, 1)).includes('surplus'), 'nothing of what stood there');
      const before = verdictDigests(out, jobId, 'read');

      const larger = resolveJobSpec(validate(specOf(out, file, { maxRatio: null, perColumn: { amount: { maxRows: 5_000 } } }) as never));
      await redriveWith(local.redisUrl, jobId, larger);
      const done = await followToEnd(handle, 2);
      assert.deepEqual([done.state, done.generation], ['completed', 2], done.failure?.message);
      const stood = [...before].filter(([name]) => verdictDigests(out, jobId, 'read').get(name) === before.get(name));
      assert.equal(stood.length, before.size, 'receipts of the first generation are as they were');
      const { balance, parts } = expectTidy(out, jobId, 2);
      const bad = Array.from({ length: records }, (_, at) => at + 1).filter(isBad).length;
      assert.deepEqual([balance.recordsIn, balance.rejected, balance.emitted], [records, bad, records - bad]);
      const [row] = await query(`SELECT count(*), count(DISTINCT id), sum(id) FROM (${partsOf({ parts } as never)})`);
      const good = Array.from({ length: records }, (_, at) => at + 1).filter((id) => !isBad(id));
      assert.deepEqual(String(row), [good.length, good.length, good.reduce((sum, id) => sum + id, 0)].join(','));
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });
});

describe('a job over its budget of rejects, without a dead letter', () => {
  it('goes on where it stopped under a larger budget, over HTTP and in its directory', async () => {
    const file = bench.path('over.csv');
    writeFileSync(file, `id,amount\n${Array.from({ length: records }, (_, at) => line(at + 1)).join('')}`);
    const bad = Array.from({ length: records }, (_, at) => at + 1).filter(isBad).length;
    const out = bench.path('over');
    const api = await startApiStack({ out, readRoots: [bench.home] });
    let jobId = '';
    try {
      const handle = await api.stack.producer.submit(validate(specOf(out, file, { maxRows: 40, maxRatio: null })) as never, { idempotencyKey: 'over' });
      ({ jobId } = handle);
      const failed = await followToEnd(handle);
      assert.deepEqual([failed.state, failed.failure?.code, failed.chunks.dead], ['failed', 'BUDGET_REJECTS', 0]);
      const env = { MILLRACE_URL: api.url, MILLRACE_TOKEN: api.token, XDG_RUNTIME_DIR: bench.home };
      const again = await cli(['redrive', jobId, '--set', 'rejects.maxRows=100', '--yes', '--wait', '--reason', 'a few more'], { cwd: bench.home, env });
      assert.equal(again.code, 7, `${again.stdout}${again.stderr}`);
      assert.match(again.stdout, /rejects\.maxRows: 40 becomes 100/);
      const second = manifest(out, jobId, 2);
      assert.deepEqual([second.failure?.code, second.failure?.evidence?.limit], ['BUDGET_REJECTS', 100]);
    } finally {
      await api.stop();
    }
    const before = verdictDigests(out, jobId, 'read');
    const healed = await cli(['redrive', out, '--set', 'rejects.maxRows=5000', '--yes']);
    assert.equal(healed.code, 0, `${healed.stdout}${healed.stderr}`);
    assert.match(healed.stdout, /rejects\.maxRows: 100 becomes 5000/);
    const after = verdictDigests(out, jobId, 'read');
    assert.ok(
      [...before].every(([name, digest]) => after.get(name) === digest),
      'receipts of the generations before are as they were',
    );
    const { balance } = expectTidy(out, jobId, 3);
    assert.deepEqual([balance.recordsIn, balance.rejected, balance.emitted], [records, bad, records - bad]);
    await bench.expectNothingRuns();
  });

  it('comes to its end where every chunk was committed, and fails again under one that is too small', async () => {
    const file = bench.path('one.csv');
    writeFileSync(file, `id,amount\n${Array.from({ length: 300 }, (_, at) => line(at + 1)).join('')}`);
    const out = bench.path('one');
    const local = await bench.stack({ out, readRoots: [bench.home] });
    let jobId = '';
    try {
      const handle = await local.producer.submit(validate(specOf(out, file, { maxRows: 0, maxRatio: null })) as never, { idempotencyKey: 'one' });
      ({ jobId } = handle);
      const failed = await followToEnd(handle);
      assert.deepEqual([failed.state, failed.failure?.code, failed.chunks.committed], ['failed', 'BUDGET_REJECTS', 1]);
    } finally {
      await local.stop();
    }
    const tooSmall = await cli(['redrive', out, '--set', 'rejects.maxRows=2', '--yes']);
    assert.equal(tooSmall.code, 7, `${tooSmall.stdout}${tooSmall.stderr}`);
    const enough = await cli(['redrive', out, '--set', 'rejects.maxRows=4', '--yes']);
    assert.equal(enough.code, 0, `${enough.stdout}${enough.stderr}`);
    assert.equal(expectTidy(out, jobId, 3).balance.rejected, 4);
    await bench.expectNothingRuns();
  });
});

async function redriveWith(redis: string, jobId: string, spec: unknown): Promise<void> {
  const queues = await openQueues({ redis, times: leaseTimes(1), log: silentLog });
  try {
    const head = { requestId: newRequestId(idSource()), tenant: 'default', by: 'test' };
    const request = { kind: 'redrive', ...head, jobId, reason: 'the budget was too tight', select: 'all', spec } as never;
    const answer = (await queues.requests.ask(request, { timeoutMs: 10_000 })) as { ok: boolean };
    assert.ok(answer.ok, JSON.stringify(answer));
  } finally {
    await queues.close();
  }
}
