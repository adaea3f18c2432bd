/** Hosts: one drains because an operator asked, and tasks that we did not sign are never run. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chunkTaskId, parseTaskKeys, signTask, type TaskId, workQueueName } from '@millrace/protocol';
import { openQueues } from '@millrace/queues';
import { leaseTimes, silentLog } from '@millrace/service-kit';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { isSealed, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const STAGE = 'clean';

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
