/** Another terminal pauses, resumes and cancels what `run` is at work on; the audit and the log of commands say who did what, and nothing is lost. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, documents, type RunningCli, startCli } from './support/cli.ts';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { redisOfRun, whileChunksWait } from './support/hold-chunks.ts';
import { isSealed, jobIds, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

const STAGE = 'clean';

let bench: Workbench;
before(() => {
  bench = new Workbench('cli-steers');
});
after(() => bench.close());

interface AuditRecord {
  readonly act: string;
  readonly outcome: string | null;
  readonly reason: string;
  readonly before: { state: string };
  readonly after: { command: number } | null;
}

function auditIn(out: string): AuditRecord[] {
  const root = join(out, '_journal', 'audit');
  const files = readdirSync(root).flatMap((day) => readdirSync(join(root, day)).map((name) => join(root, day, name)));
  return files.toSorted().map((file) => JSON.parse(readFileSync(file, 'utf8')) as AuditRecord);
}

async function receipts(running: RunningCli, out: string, count: number): Promise<string> {
  await until(`${count} receipts`, () => jobIds(out).some((jobId) => isSealed(out, jobId) && verdictCount(out, jobId, STAGE) >= count), {
    every: 5,
    describe: running.stderr,
  });
  return jobIds(out)[0] ?? '';
}

/** The count once it does not change any more. */
async function settledCount(out: string, jobId: string): Promise<number> {
  for (let seen = -1; ; await sleep(400)) {
    const now = verdictCount(out, jobId, STAGE);
    if (now === seen) return now;
    seen = now;
  }
}

describe('a run that another terminal steers', () => {
  it('is paused, resumed and cancelled, and goes on from its receipts when it is run again', async () => {
    const { directory: data } = bench.generate('steered', { records: 600_000, files: 2 });
    const out = join(data, 'out');
    const args = ['run', join(data, 'spec.yaml'), '--set', 'execution.chunkSize=64KiB', '--workers', '1', '--json'];
    const running = startCli(args);
    const jobId = await receipts(running, out, 3);
    const redis = redisOfRun(out);
    // Held while a command is on its way, so that it finds the job running.
    const whileHeld = (args: string[]) => whileChunksWait(redis, () => cli(args));

    const paused = await whileHeld(['pause', out, '--reason', 'the disk is busy', '--json']);
    assert.equal(paused.code, 0, paused.stderr);
    assert.equal((documents(paused)[0]?.['status'] as { state: string } | undefined)?.state, 'paused');
    const held = await settledCount(out, jobId);
    await sleep(600);
    assert.equal(verdictCount(out, jobId, STAGE), held, 'nothing begins while the job is paused');
    assert.equal((await cli(['pause', out])).code, 5, 'it is paused already');

    assert.equal((await cli(['resume', out])).code, 0);
    await receipts(running, out, held + 2);
    const cancelled = await whileHeld(['cancel', out, '--reason', 'wrong file']);
    assert.equal(cancelled.code, 0, cancelled.stderr);
    const end = await running.ended;
    assert.equal(end.code, 7, end.stderr);
    await bench.expectNothingRuns();

    assert.deepEqual(
      auditIn(out)
        .filter(({ outcome }) => outcome !== null)
        .map(({ act, outcome, reason, before, after }) => [act, outcome, reason, before.state, after?.command ?? null]),
      [
        ['job.pause', 'done', 'the disk is busy', 'running', 0],
        ['job.pause', 'refused', '', 'paused', null],
        ['job.resume', 'done', '', 'paused', 1],
        ['job.cancel', 'done', 'wrong file', 'running', 2],
      ],
    );
    const nothing = await cli(['cancel', out]);
    assert.deepEqual([nothing.code, /nothing runs/.test(nothing.stderr)], [5, true]);

    const again = await cli(args);
    assert.equal(again.code, 0, again.stderr);
    expectTidy(out, jobId, 2);
    await expectTruth(data, out);
    await bench.expectNothingRuns();
  });
});
