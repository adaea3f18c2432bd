/** A run that is stopped, whichever way: no process, no temporary directory, and the same command again goes on to the same end. */
import assert from 'node:assert/strict';
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cli, documents, type RunningCli, startCli } from './support/cli.ts';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { holdChunks, redisOfRun } from './support/hold-chunks.ts';
import { isSealed, jobIds, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

const STAGE = 'clean';

let bench: Workbench;
before(() => {
  bench = new Workbench('cli-stops');
});
after(() => bench.close());

/** Starts a run of generated data in small chunks, waits until some have committed, and holds the rest: it does not end by itself. */
async function startedRun(
  name: string,
): Promise<{ readonly running: RunningCli; readonly data: string; readonly out: string; readonly args: readonly string[]; readonly redis: string }> {
  const { directory: data } = bench.generate(name, { records: 160_000, files: 2 });
  const out = join(data, 'out');
  const args = ['run', join(data, 'spec.yaml'), '--set', 'execution.chunkSize=64KiB', '--workers', '1', '--json'];
  const running = startCli(args);
  await until('some receipts', () => jobIds(out).some((jobId) => isSealed(out, jobId) && verdictCount(out, jobId, STAGE) >= 5), {
    every: 5,
    describe: running.stderr,
  });
  const redis = redisOfRun(out);
  await holdChunks(redis);
  // While it shows what was detected it has a core of its own, whose directory a kill in that instant would leave.
  const reading = (): boolean => readdirSync(bench.temporary).some((entry) => entry.startsWith('millrace-core-'));
  await until('what was detected to be shown', () => !reading() && running.stdout().includes('"pins"'), { every: 5, describe: running.stderr });
  return { running, data, out, args, redis };
}

async function expectContinued(data: string, out: string, args: readonly string[]): Promise<void> {
  const again = await cli(args);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /Continuing where the last run stopped/);
  const [jobId = ''] = jobIds(out);
  assert.equal(documents(again)[0]?.['replayed'], true);
  expectTidy(out, jobId);
  await expectTruth(data, out);
  await bench.expectNothingRuns();
}

describe('a run that is stopped', () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`by ${signal} ends in order and goes on when it is run again`, async () => {
      const { running, data, out, args } = await startedRun(signal);
      running.child.kill(signal);
      const end = await running.ended;
      assert.equal(end.code, 130, end.stderr);
      assert.match(end.stderr, /interrupted/);
      await bench.expectNothingRuns();
      await expectContinued(data, out, args);
    });
  }

  it('by SIGKILL leaves nothing running and goes on when it is run again', async () => {
    const { running, data, out, args } = await startedRun('SIGKILL');
    running.child.kill('SIGKILL');
    assert.equal((await running.ended).signal, 'SIGKILL');
    await bench.expectNothingRuns();
    await expectContinued(data, out, args);
  });
});

describe('a run that fails', () => {
  it('shows its dead letters and is redriven', async () => {
    const { running, data, out, redis } = await startedRun('redriven');
    renameSync(join(data, 'orders-02.csv'), join(data, 'away'));
    await holdChunks(redis, false);
    const failed = await running.ended;
    assert.equal(failed.code, 7, failed.stderr);
    assert.match(failed.stderr, /dead letter clean\.\d+: INPUT_NOT_FOUND/);

    const letters = documents(await cli(['dead', 'ls', out, '--json']));
    assert.ok(letters.length > 0);
    const name = `${STAGE}.${String(letters[0]?.['chunk'])}`;
    const shown = await cli(['dead', 'show', out, name]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /INPUT_NOT_FOUND[\s\S]*hint: restore it, then redrive[\s\S]*attempt 1/);
    const dry = await cli(['redrive', out, '--dry-run']);
    assert.match(dry.stdout, new RegExp(`${name} +INPUT_NOT_FOUND`));
    assert.equal((await cli(['redrive', out, 'clean.99999'])).code, 3);

    renameSync(join(data, 'away'), join(data, 'orders-02.csv'));
    const redriven = await cli(['redrive', out, '--json', '--workers', '1']);
    assert.equal(redriven.code, 0, redriven.stderr);
    const [jobId = ''] = jobIds(out);
    expectTidy(out, jobId, 2);
    await expectTruth(data, out);
    assert.deepEqual(documents(await cli(['dead', 'ls', out, '--json'])), []);
    assert.ok(documents(await cli(['dead', 'ls', out, '--all', '--json'])).length >= letters.length);
    await bench.expectNothingRuns();
  });
});
