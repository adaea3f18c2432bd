/** F2: death in every gap of an attempt, once each, of the process that stands in it. The job must come out as if nothing had been. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Cluster, Role } from './support/cluster.ts';
import { readJob } from './support/journal-reader.ts';
import { Lab } from './support/lab.ts';

let lab: Lab;
before(() => {
  lab = new Lab('gaps');
});
after(() => lab.close());

/** One host for each gap beside one that lives; each armed one dies in its gap. */
async function hostsDieIn(gaps: readonly string[], cluster: Cluster): Promise<void> {
  const scheduler = cluster.scheduler();
  const armed = gaps.map((gap) => cluster.host({ failpoints: `${gap}=kill` }));
  await cluster.ready(scheduler, ...armed);
  const { jobId } = await cluster.submit('gaps');
  for (const [index, gap] of gaps.entries()) await (armed[index] as Role).diesIn(gap);
  cluster.host();
  await cluster.untilEnded(jobId);
}

/** One scheduler after the other leads; each armed one dies in its gap and the next takes over. */
async function schedulersDieIn(gaps: readonly string[], cluster: Cluster): Promise<void> {
  let scheduler = cluster.scheduler({ failpoints: `${gaps[0]}=kill:3` });
  const host = cluster.host();
  await cluster.ready(scheduler, host);
  const submitted = cluster.submit('gaps');
  for (const [index, gap] of gaps.entries()) {
    await scheduler.diesIn(gap);
    const next = gaps[index + 1];
    scheduler = cluster.scheduler(next === undefined ? {} : { failpoints: `${next}=kill:3` });
  }
  await cluster.untilEnded((await submitted).jobId);
}

describe('F2: a process dies in a gap of an attempt', () => {
  it('hosts, from the claim to the acknowledgement', async () => {
    const gaps = ['chunk.4-5', 'chunk.5-6', 'chunk.11-12', 'chunk.12-13'];
    const cluster = await lab.run({ name: 'hosts' }, (cluster) => hostsDieIn(gaps, cluster));
    const [jobId = ''] = cluster.client.entries.map((entry) => entry.jobId);
    const { failures } = readJob(cluster.out, jobId);
    // 4-5 had no attempt yet; of 11-12 and 12-13 the receipt stands.
    assert.ok(
      failures.some(({ outcome, worker }) => outcome === 'lost' && worker === 'worker-host-2'),
      'the attempt that died in 5-6 is on record as lost',
    );
    assert.ok(
      failures.every(({ outcome, worker }) => outcome !== 'lost' || worker === 'worker-host-2'),
      `what committed is no loss: ${JSON.stringify(failures.map(({ outcome, worker }) => [outcome, worker]))}`,
    );
  });

  it('schedulers, from the ledger to the tick', () =>
    lab.run({ name: 'schedulers' }, (cluster) => schedulersDieIn(['chunk.1-2', 'chunk.2-3', 'chunk.3-4', 'chunk.13-14'], cluster)).then(() => {}));
});
