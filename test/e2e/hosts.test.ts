/** Hosts: one drains because an operator asked, and tasks that we did not sign are never run. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { corePath } from '@millrace/core-client';
import { chunkTaskId, parseTaskKeys, signTask, type TaskId, workQueueName } from '@millrace/protocol';
import { openQueues } from '@millrace/queues';
import { leaseTimes, silentLog } from '@millrace/service-kit';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { failures, isSealed, manifest, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const STAGE = 'clean';
/** Dies of marked records, which are ordinary ones for the core that is shipped. */
const deadlyCore = `${corePath()}-hooks`;

let bench: Workbench;
before(() => {
  bench = new Workbench('hosts');
});
after(() => bench.close());

function audited(out: string, act: string): { object: string; outcome: string | null }[] {
  const root = join(out, '_journal', 'audit');
  const files = readdirSync(root).flatMap((day) => readdirSync(join(root, day)).map((name) => join(root, day, name)));
  return files.map((file) => JSON.parse(readFileSync(file, 'utf8'))).filter((record) => record.act === act && record.outcome !== null);
}

/** The core of one host dies of records that others read without a fault: it plans, and kills every chunk. */
function breakCoreOf(worker: string): void {
  const real = `${bench.core}-real`;
  renameSync(bench.core, real);
  const script = `#!/bin/sh\nulimit -c 0\ngrep -qz "^MILLRACE_WORKER_ID=${worker}$" /proc/$PPID/environ && exec "${deadlyCore}" "$@"\nexec "${real}" "$@"\n`;
  writeFileSync(bench.core, script, { mode: 0o755 });
}

describe('a host whose cores die of whatever they do', () => {
  it('makes no healthy chunk a dead one, nor a record a reject: another host takes what has died on it', async () => {
    const { directory: data, expected } = bench.generate('broken', { records: 6_000, faults: 'coreCrash=0.0006,badNumber=0.001' });
    const deadly = readFileSync(join(data, 'truth.ndjson'), 'utf8').match(/"CORE_CRASH"/g)?.length ?? 0;
    assert.ok(deadly >= 2, `${deadly} records that crash one of the cores were planted`);
    const out = bench.path('broken-out');
    breakCoreOf('worker-host-2');
    const local = await bench.stack({ out, readRoots: [data], hostSlots: [1, 1] });
    try {
      let crashed = 0;
      for (let job = 0; crashed === 0 && job < 100; job++) {
        const spec = generatedSpec(data, join(out, `job-${job}`), '64MiB');
        const handle = await local.producer.submit(spec as never, { idempotencyKey: `broken-${job}` });
        const status = await followToEnd(handle);
        assert.deepEqual([status.state, status.chunks.total, status.chunks.dead], ['completed', 1, 0], status.failure?.message);
        const { byCode, balance } = manifest(out, handle.jobId);
        assert.deepEqual([byCode['CORE_CRASH'] ?? 0, balance.recordsIn, balance.rejected], [0, expected.balance.recordsIn, expected.balance.rejected - deadly]);
        const records = failures(out, handle.jobId).filter(({ class: failureClass }) => failureClass === 'crash');
        assert.ok(records.length <= 1 && records.every(({ worker }) => worker === 'worker-host-2'), JSON.stringify(records));
        crashed += records.length;
      }
      assert.equal(crashed, 1, 'the broken host has tried');
    } finally {
      await local.stop();
      renameSync(`${bench.core}-real`, bench.core);
    }
    await bench.expectNothingRuns();
  });
});

describe('a host', () => {
  it('drains when it is asked, and forged tasks are set aside; the job loses nothing by either', async () => {
    const { directory: data } = bench.generate('hosts', { records: 60_000, files: 2 });
    const out = bench.path('out');
    const local = await bench.stack({ out, readRoots: [data], hostSlots: [1, 1] });
    const queues = await openQueues({ redis: local.redisUrl, times: leaseTimes(1), log: silentLog });
    try {
      const handle = await local.producer.submit(generatedSpec(data, out, '64KiB') as never, { idempotencyKey: 'hosts' });
      const { jobId } = handle;
      const ended = followToEnd(handle);
      await until('some receipts', () => isSealed(out, jobId) && verdictCount(out, jobId, STAGE) >= 3, { every: 5 });

      const [first] = await queues.workers.list();
      assert.ok(first);
      const queue = workQueueName('chunk', 'default', first.resultVersion);
      const epoch = await queues.ledger.epoch();
      const chunk = `${jobId}.${STAGE}.0` as never;
      const foreign = parseTaskKeys(`local:${'f'.repeat(64)}`);
      const taskId = chunkTaskId(chunk, { generation: 1, epoch, number: 900 });
      await queues.tasks.enqueue(queue, [
        { taskId, signature: signTask(queue, taskId, foreign) },
        { taskId: chunkTaskId(chunk, { generation: 1, epoch, number: 901 }) as TaskId, signature: null },
      ]);

      const host = local.stack.roles.find(({ name }) => name === first.worker);
      assert.ok(host, first.worker);
      assert.equal(await queues.workers.askToDrain(first.worker), true);
      const end = await host.ended;
      assert.deepEqual([end.code, end.signal], [0, null], 'it stopped by itself and in order');
      assert.ok((await queues.workers.list()).every(({ worker }) => worker !== first.worker));

      const status = await ended;
      assert.equal(status.state, 'completed', status.failure?.message);
      expectTidy(out, jobId);
      await expectTruth(data, out);
      await until('both refusals', () => audited(out, 'task.refuse').length >= 2, { every: 50 });
      assert.deepEqual(
        audited(out, 'task.refuse')
          .map(({ object, outcome }) => [object.slice(object.indexOf(STAGE)), outcome])
          .toSorted(),
        [900, 901].map((number) => [`${STAGE}.0.1.${epoch}-${number}`, 'refused']),
      );
    } finally {
      await queues.close();
      await local.stop();
    }
    await bench.expectNothingRuns();
  });
});
