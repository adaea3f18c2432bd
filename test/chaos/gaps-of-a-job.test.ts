/** F3 and the second half of F2: death in every gap of accepting, failing, finishing, redriving and rebuilding. */
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../e2e/support/until.ts';
import type { Cluster, Role } from './support/cluster.ts';
import { manifestOf, readJob, receiptsOf } from './support/journal-reader.ts';
import { Lab } from './support/lab.ts';

let lab: Lab;
before(() => {
  lab = new Lab('job-gaps', { records: 8_000 });
});
after(() => lab.close());

const kill = (gap: string): { failpoints: string } => ({ failpoints: `${gap}=kill` });

/** Starts a role for each gap, one after the other dies in it, and one that lives. */
async function dieOneByOne(gaps: readonly string[], start: (options?: { failpoints: string }) => Role): Promise<void> {
  for (const gap of gaps) await start(kill(gap)).diesIn(gap);
  start();
}

describe('F3: a process dies in a gap of a job', () => {
  it('schedulers while they accept it: acknowledged or not, it is one job', () =>
    lab
      .run({ name: 'accept' }, async (cluster) => {
        const submitted = cluster.submit('accept', cluster.spec(), 60_000);
        cluster.host();
        await dieOneByOne(['accept.a-b', 'accept.b-c', 'accept.c-d', 'accept.d-answer', 'accept.answer-f'], (options) => cluster.scheduler(options));
        await cluster.untilEnded((await submitted).jobId);
      })
      .then(() => {}));

  it('hosts while they plan and finish it: one manifest, and _SUCCESS behind it', () =>
    lab
      .run({ name: 'finish' }, async (cluster) => {
        await cluster.ready(cluster.scheduler());
        const { jobId } = await cluster.submit('finish');
        const gaps = [
          'accept.e-pins',
          'accept.e-segments',
          'accept.e-sealed',
          'finish.1-2',
          'finish.2-3',
          'finish.4-5',
          'finish.5-6',
          'finish.6-success',
          'finish.6-7',
        ];
        await dieOneByOne(gaps, (options) => cluster.host(options));
        await cluster.untilEnded(jobId);
      })
      .then(() => {}));

  it('hosts behind the last step: the marker goes, or nothing is left to do', () =>
    lab
      .run({ name: 'marker' }, async (cluster) => {
        const [scheduler, host] = [cluster.scheduler(), cluster.host(kill('finish.7-8'))];
        await cluster.ready(scheduler, host);
        const { jobId } = await cluster.submit('marker');
        await host.diesIn('finish.7-8');
        cluster.host();
        await cluster.untilEnded(jobId);
      })
      .then(() => {}));

  it('schedulers while they rebuild after a loss of Redis: everything is found again', () =>
    lab
      .run({ name: 'rebuild', check: { redisForgot: true } }, async (cluster) => {
        const first = cluster.scheduler();
        await cluster.ready(first, cluster.host());
        const { jobId } = await cluster.submit('rebuild');
        await until('some receipts', () => receiptsOf(readJob(cluster.out, jobId)).length >= 3, { every: 5 });
        await first.kill();
        await cluster.redis.loseEverything();
        await dieOneByOne(['rebuild.2-3', 'rebuild.3-plan', 'rebuild.3-4', 'rebuild.4-6', 'rebuild.7-8'], (options) => cluster.scheduler(options));
        await cluster.untilEnded(jobId);
      })
      .then(() => {}));
});

describe('F2: a process dies in a gap of a failure', () => {
  /** A file that goes away after it was planned makes its chunks fail for good. */
  async function failing(cluster: Cluster, act: (jobId: string) => Promise<void>): Promise<string> {
    const [file, away] = [join(lab.data, 'orders-02.csv'), join(lab.bench.home, 'away')];
    const { jobId } = await cluster.submit('failing', cluster.spec({ deadLetters: { maxChunks: 1000 } }));
    await until('the plan', () => readJob(cluster.out, jobId).listed.length > 0, { every: 2 });
    renameSync(file, away);
    try {
      await act(jobId);
      await cluster.untilEnded(jobId);
    } finally {
      renameSync(away, file);
    }
    return jobId;
  }

  it('hosts between classification, record, ledger and acknowledgement', () =>
    lab
      .run({ name: 'fail-host', check: { ending: 'any' } }, async (cluster) => {
        const gaps = ['fail.2-3', 'fail.3-4', 'fail.4-5'];
        const armed = gaps.map((gap) => cluster.host(kill(gap)));
        await cluster.ready(cluster.scheduler(), ...armed);
        const jobId = await failing(cluster, async () => {
          for (const [index, gap] of gaps.entries()) await (armed[index] as Role).diesIn(gap);
          cluster.host();
        });
        const { failures } = readJob(cluster.out, jobId);
        assert.ok(
          failures.some(({ outcome, worker }) => outcome === 'lost' && worker === armed[0]?.name),
          'what died before its record was put is lost',
        );
        assert.ok(
          failures.some(({ code, worker }) => code === 'INPUT_NOT_FOUND' && worker === armed[1]?.name),
          'a record that stood before the death stays',
        );
      })
      .then(() => {}));

  it('schedulers between dead letter, verdict and mark, and in the redrive behind it', async () => {
    const cluster = await lab.run({ name: 'fail-scheduler' }, async (cluster) => {
      const gaps = ['fail.6-letter', 'fail.6-verdict', 'fail.6-mark'];
      const first = cluster.scheduler(kill('fail.6-letter'));
      await cluster.ready(first, cluster.host());
      const jobId = await failing(cluster, async () => {
        await first.diesIn('fail.6-letter');
        await dieOneByOne(gaps.slice(1), (options) => cluster.scheduler(options));
      });
      assert.equal(manifestOf(cluster.out, jobId, 1)?.state, 'completed');
      for (const role of cluster.living.filter(({ role }) => role === 'scheduler')) await role.kill();
      const redriven = redriveUntilKnown(cluster, jobId);
      await dieOneByOne(['redrive.marker-command', 'redrive.command-close', 'redrive.close-plan', 'redrive.plan-seal'], (options) =>
        cluster.scheduler(options),
      );
      await redriven;
      await cluster.untilEnded(jobId, 2);
    });
    const [jobId = ''] = cluster.client.entries.map((entry) => entry.jobId);
    assert.equal(manifestOf(cluster.out, jobId, 2)?.state, 'completed');
    assert.equal(manifestOf(cluster.out, jobId, 3), null, 'asking again and again opened one generation');
  });
});

/** A redrive whose answer is unknown is asked for again; one that was done meanwhile refuses. */
async function redriveUntilKnown(cluster: Cluster, jobId: string): Promise<void> {
  const handle = (await cluster.producer()).job(jobId);
  await until(
    'generation 2 to be asked for',
    async () => {
      if (readJob(cluster.out, jobId).commands.some(({ opens }) => opens === 2)) return true;
      await handle.redrive('the file is back', { timeout: '2s' } as never).catch(() => null);
      return false;
    },
    { every: 100 },
  );
}
