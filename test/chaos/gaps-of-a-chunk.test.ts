/** F2: death in every gap of an attempt, once each, of the process that stands in it. The job must come out as if nothing had been. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../e2e/support/until.ts';
import type { Cluster, Role } from './support/cluster.ts';
import { manifestOf, readJob } from './support/journal-reader.ts';
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

  it('whoever buried a chunk dies before the mark and Redis forgets that it was dying: the next attempt finds the verdict, and the job ends', async () => {
    let buried = -1;
    const cluster = await lab.run({ name: 'buried', check: { ending: 'any' } }, async (cluster) => {
      const host = cluster.host({ failpoints: 'chunk.5-6=stop' });
      await cluster.ready(cluster.scheduler(), host);
      const { jobId } = await cluster.submit('buried', cluster.spec({ deadLetters: { maxChunks: 1_000 } }));
      await until('the host to stand in its first chunk', () => host.fired('chunk.5-6'));
      buried = bury(cluster, jobId);
      host.signal('SIGCONT');
      await cluster.untilEnded(jobId);
      assert.deepEqual(manifestOf(cluster.out, jobId, 1)?.chunks.dead, 1);
    });
    const [jobId = ''] = cluster.client.entries.map((entry) => entry.jobId);
    const found = readJob(cluster.out, jobId).failures.filter(({ chunk, outcome }) => chunk === buried && outcome === 'superseded');
    assert.equal(found.length, 1, 'it is found once and not again and again');
  });
});

/** Dead letter and verdict of the last chunk that is listed so far, as a scheduler leaves them; the ledger is not told. */
function bury(cluster: Cluster, jobId: string): number {
  const listed = readJob(cluster.out, jobId).listed.toSorted((one, other) => one.chunk - other.chunk);
  const last = listed.at(-1);
  assert.ok(last !== undefined && listed.length > 1, 'chunks are planned beside the one in hand');
  const { stage, chunk } = last;
  const six = String(chunk).padStart(6, '0');
  const deadLetter = `jobs/${jobId}/dead/${stage}/${six}.000001.json`;
  const place = { version: 1, jobId, stage, chunk, generation: 1 };
  const cause = { class: 'input', code: 'INPUT_CHANGED', message: 'by hand', fingerprint: `fp1-${'0'.repeat(16)}`, reason: 'retrying cannot cure it' };
  const letter = {
    record: 'deadLetter',
    deadLetterId: `${jobId}.${stage}.${chunk}.1`,
    ...place,
    ...cause,
    range: null,
    diedAt: '2026-11-23T10:00:00.000Z',
    attempts: [],
  };
  const verdict = { record: 'verdict', outcome: 'dead', ...place, deadLetter, code: cause.code };
  for (const [key, record] of [
    [deadLetter, letter],
    [`jobs/${jobId}/verdicts/${stage}/${six}.json`, verdict],
  ] as const) {
    const path = join(cluster.out, '_journal', key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify(record));
  }
  return chunk;
}
