/** Two tenants on one installation of real processes: one that may have few chunks in hand never has more, and the other's job does not wait for it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { connect, type JobHandle, type Producer } from '@millrace/producer';
import { leaseTimes } from '@millrace/protocol';
import { openQueues, type Queues } from '@millrace/queues';
import { silentLog } from '@millrace/service-kit';
import { Cluster } from '../chaos/support/cluster.ts';
import { followToEnd } from './support/follow.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

const mostInHand = 2;

let bench: Workbench;
before(() => {
  bench = new Workbench('tenants');
});
after(() => bench.close());

async function inHand(queues: Queues, { jobId }: JobHandle): Promise<{ readonly now: number; readonly isPlanned: boolean }> {
  const job = await queues.ledger.job(jobId);
  return { now: (job?.chunks.queued ?? 0) + (job?.chunks.running ?? 0), isPlanned: job?.sealed === true };
}

describe('a tenant with a limit of chunks', () => {
  it('never has more in hand, whatever waits, and the other tenant proceeds', async () => {
    const { directory: data } = bench.generate('data', { records: 20_000, faults: 'badNumber=0.001' });
    const cluster = await Cluster.start({ bench, name: 'shares', data, timeScale: 0.1 });
    const file = bench.path('tenants.json');
    writeFileSync(file, JSON.stringify({ few: { maxChunks: mostInHand } }));
    const producers: Producer[] = [];
    const queues = await openQueues({ redis: cluster.redis.url, times: leaseTimes(1), log: silentLog });
    try {
      await cluster.ready(cluster.scheduler({ environment: { MILLRACE_TENANTS: file } }), cluster.host({ slots: 4 }));
      const submit = async (tenant: string): Promise<JobHandle> => {
        const producer = await connect({ redis: cluster.redis.url, tenant });
        producers.push(producer);
        const spec = cluster.spec({ execution: { tenant, chunkSize: '64KiB' } }, `${tenant}/`);
        return producer.submit(spec as never, { idempotencyKey: 'one', timeout: '120s' });
      };
      // All that may be handed out is handed out, and no host takes it.
      const [few, many] = await whileChunksWait(cluster.redis.url, async () => {
        const handles = [await submit('few'), await submit('many')] as const;
        await until('all that may go to be in hand', async () => {
          const [one, other] = [await inHand(queues, handles[0]), await inHand(queues, handles[1])];
          return one.isPlanned && other.isPlanned && one.now === mostInHand && other.now > mostInHand;
        });
        return handles;
      });
      let most = 0;
      let isOver = false;
      const watching = (async () => {
        while (!isOver) most = Math.max(most, (await inHand(queues, few)).now);
      })();
      const ends = await Promise.all([followToEnd(few), followToEnd(many)]);
      isOver = true;
      await watching;
      assert.deepEqual(
        ends.map(({ state }) => state),
        ['completed', 'completed'],
      );
      assert.ok(ends.every(({ chunks }) => chunks.total > 2 * mostInHand && chunks.committed === chunks.total));
      assert.ok(most <= mostInHand, `${most} in hand`);
    } finally {
      for (const producer of producers) await producer.close();
      await queues.close();
      await cluster.stop();
    }
    await bench.expectNothingRuns();
  });
});
