/** Two jobs on two stores, of which one throttles: its circuit spares it, the other store's job goes on, and nobody pays for it with attempts. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobHandle } from '@millrace/producer';
import { leaseTimes } from '@millrace/protocol';
import { openQueues, type Queues } from '@millrace/queues';
import { silentLog } from '@millrace/service-kit';
import { Cluster, type Role } from '../chaos/support/cluster.ts';
import { StoreStub } from '../chaos/support/store-stub.ts';
import { followToEnd } from './support/follow.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { deadLetters, failures, isSealed, manifest, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

const stage = 'clean';
/** So many failures open the circuit; those before it are counted against their chunks. */
const countedAtMost = 4;
/** Failures of the throttled job: without a circuit so many would have been counted. */
const failuresEnough = 12;

let bench: Workbench;
before(() => {
  bench = new Workbench('throttled');
});
after(() => bench.close());

/** Job and output lie in the bucket of the stub, the journal in a directory: what throttles is the job's store alone. */
function specIn(stub: StoreStub, data: string, cluster: Cluster): object {
  cpSync(data, join(stub.directory, stub.bucket, 'in'), { recursive: true });
  const { inputs, ...rest } = cluster.spec({ execution: { chunkSize: '64KiB' } }) as { inputs: { uri: string[] } };
  const uri = inputs.uri.map((file) => `s3://${stub.bucket}/in/${basename(file)}`);
  return { ...rest, inputs: { ...inputs, uri }, output: { uri: `s3://${stub.bucket}/out/`, compression: 'snappy' } };
}

async function submitted(cluster: Cluster, name: string, spec: object): Promise<JobHandle> {
  const handle = await cluster.submit(name, spec as never);
  await until(`the plan of ${name}`, () => isSealed(cluster.out, handle.jobId), { describe: () => cluster.describe() });
  return handle;
}

/** Attempts that count against chunks without an outcome. */
async function counted(queues: Queues, { jobId }: JobHandle): Promise<number> {
  const live = await queues.ledger.liveChunks(jobId);
  return live.reduce((sum, { past }) => sum + Object.values(past).reduce((all, one) => all + one, 0), 0);
}

const saysOf = (scheduler: Role, message: string, store: string): number =>
  scheduler.lines.filter(({ msg, store: named }) => msg === message && named === store).length;

/** One chunk gets its bytes only then, so that its job is not over before. */
function holdOneRead(stub: StoreStub, until: Promise<void>): void {
  let isHeld = false;
  stub.fault = ({ verb, key }) => {
    if (isHeld || (verb !== 'get' && verb !== 'range') || !key.startsWith('in/')) return null;
    isHeld = true;
    return { kind: 'hold', until };
  };
}

describe('a store that throttles', () => {
  it('is spared by its circuit: the job of another store completes meanwhile, and its own job later, without a dead letter', async () => {
    const { directory: data } = bench.generate('data', { records: 12_000, files: 3, faults: 'badNumber=0.001' });
    const slow = await StoreStub.start(bench.path('slow-store'), { bucket: 'slow' });
    const fine = await StoreStub.start(bench.path('fine-store'), { bucket: 'fine' });
    const cluster = await Cluster.start({ bench, name: 'throttled', data, timeScale: 0.2 });
    const environment = slow.environment(bench.path('connections.json'), [fine]);
    const queues = await openQueues({ redis: cluster.redis.url, times: leaseTimes(1), log: silentLog });
    const isOpen = Promise.withResolvers<void>();
    try {
      const scheduler = cluster.scheduler({ environment });
      await cluster.ready(scheduler, cluster.host({ environment, slots: 6 }));
      const says = (message: string, stub: StoreStub): number => saysOf(scheduler, message, `s3://${stub.bucket}`);
      const [throttled, other] = await whileChunksWait(cluster.redis.url, async () => {
        const handles = [
          await submitted(cluster, 'throttled', specIn(slow, data, cluster)),
          await submitted(cluster, 'other', specIn(fine, data, cluster)),
        ] as const;
        slow.fault = () => ({ kind: 'status', status: 503, code: 'SlowDown' });
        holdOneRead(fine, isOpen.promise);
        return handles;
      });
      await until('the circuit to open', () => says('circuit opened', slow) > 0, { describe: () => cluster.describe() });
      const before = verdictCount(cluster.out, other.jobId, stage);
      isOpen.resolve();
      const status = await followToEnd(other);
      assert.equal(status.state, 'completed', status.failure?.message);
      assert.ok(status.chunks.committed > before, 'nothing was committed while the circuit was open');
      assert.deepEqual([says('circuit closed', slow), says('circuit opened', fine)], [0, 0]);
      assert.equal(verdictCount(cluster.out, throttled.jobId, stage), 0);
      await until('failures that would have used up attempts', () => failures(cluster.out, throttled.jobId).length >= failuresEnough, {
        describe: () => cluster.describe(),
      });
      assert.ok((await counted(queues, throttled)) <= countedAtMost);
      slow.fault = () => null;
      const end = await followToEnd(throttled);
      assert.equal(end.state, 'completed', end.failure?.message);
      assert.ok(says('circuit closed', slow) > 0);
      // The answer to a HEAD names no code: 503 alone says that the store cannot be used now.
      const told = failures(cluster.out, throttled.jobId).map(({ code, class: kind }) => `${kind} ${code}`);
      const expected = ['transient STORAGE_THROTTLED', 'transient STORAGE_UNAVAILABLE'];
      assert.deepEqual(
        [told.filter((code) => !expected.includes(code)), deadLetters(cluster.out, throttled.jobId), manifest(cluster.out, throttled.jobId).chunks.dead],
        [[], [], 0],
      );
      assert.deepEqual(manifest(cluster.out, throttled.jobId).balance, manifest(cluster.out, other.jobId).balance);
    } finally {
      isOpen.resolve();
      await queues.close();
      await cluster.stop();
      await slow.stop();
      await fine.stop();
    }
    await bench.expectNothingRuns();
  });
});
