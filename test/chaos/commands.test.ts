/** F65: commands and redrives at bad moments, several at once. Every answer may be a refusal; what stands afterwards may not be half of anything. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobHandle } from '@millrace/producer';
import { until } from '../e2e/support/until.ts';
import type { Cluster } from './support/cluster.ts';
import { manifestOf, readJob, receiptsOf } from './support/journal-reader.ts';
import { Lab } from './support/lab.ts';
import { SeededRandom } from './support/random.ts';

let lab: Lab;
before(() => {
  lab = new Lab('commands', { records: 12_000 });
});
after(() => lab.close());

const quietly = async (asked: Promise<unknown>): Promise<void> => void (await asked.catch(() => null));

/** Numbers without gaps, and one command for each generation that is opened. */
function expectOrderly(cluster: Cluster, jobId: string): void {
  const { commands } = readJob(cluster.out, jobId);
  const files = readdirSync(join(cluster.out, '_journal/jobs', jobId, 'commands')).filter((name) => /^\d+\.json$/.test(name));
  assert.deepEqual(
    files.map((name) => Number.parseInt(name, 10)).sort((one, other) => one - other),
    commands.map((_, index) => index + Math.min(...files.map((name) => Number.parseInt(name, 10)))),
  );
  const opened = commands.flatMap(({ opens }) => (opens === null ? [] : [opens])).sort();
  assert.deepEqual(opened, [...new Set(opened)], 'one command opens a generation');
}

/** Redrives until the newest generation has completed; a generation that is on its way is waited for. */
async function driveHome(cluster: Cluster, handle: JobHandle, jobId: string): Promise<number> {
  for (let generation = 1; generation < 8; generation += 1) {
    await cluster.untilEnded(jobId, generation);
    if (
      manifestOf(cluster.out, jobId, generation)?.state === 'completed' &&
      !readJob(cluster.out, jobId).commands.some(({ opens }) => opens === generation + 1)
    )
      return generation;
    await quietly(handle.redrive('go on'));
    await until(`generation ${generation + 1}`, () => readJob(cluster.out, jobId).commands.some(({ opens }) => opens === generation + 1), {
      describe: () => cluster.describe(),
    });
  }
  throw new Error('it never completes');
}

describe('F65: commands at bad moments', () => {
  for (const seed of [1, 2]) {
    it(`cancels while receipts are written and redrives while it finishes, three of each at once (seed ${seed})`, () =>
      lab
        .run({ name: `mixed-${seed}` }, async (cluster) => {
          const random = new SeededRandom(seed);
          await cluster.ready(cluster.scheduler(), cluster.scheduler(), cluster.host(), cluster.host());
          const handle = await cluster.submit('mixed');
          const { jobId } = handle;
          await until('receipts', () => receiptsOf(readJob(cluster.out, jobId)).length >= 1 + seed, { every: 2 });
          await delay(random.between(0, 60));
          await Promise.all([1, 2, 3].map(() => quietly(handle.cancel('at once'))));
          // Into the finish, without waiting for it.
          await Promise.all([1, 2, 3].map(() => quietly(handle.redrive('at once'))));
          const last = await driveHome(cluster, handle, jobId);
          await Promise.all([1, 2].map(() => quietly(handle.redrive('nothing is left'))));
          assert.equal(manifestOf(cluster.out, jobId, last + 1), null);
          expectOrderly(cluster, jobId);
        })
        .then(() => {}));
  }

  it('a cancel of a job of which everything is committed can be redriven to its end', () =>
    lab
      .run({ name: 'late-cancel' }, async (cluster) => {
        const host = cluster.host({ failpoints: 'finish.1-2=delay-1500' });
        await cluster.ready(cluster.scheduler(), host);
        const handle = await cluster.submit('late-cancel');
        const { jobId } = handle;
        await until('the finish to begin', () => host.fired('finish.1-2'), { every: 2 });
        await handle.cancel('too late for any chunk');
        await cluster.untilEnded(jobId);
        assert.equal(manifestOf(cluster.out, jobId, 1)?.state, 'cancelled');
        await handle.redrive('after all');
        await cluster.untilEnded(jobId, 2);
        assert.equal(manifestOf(cluster.out, jobId, 2)?.state, 'completed');
        await assert.rejects(handle.redrive('again'), (error: { code?: string }) => error.code === 'PLAN_EMPTY');
      })
      .then(() => {}));
});
