/**
 * Retention: when its time is over, rejects go, and then the history; what a completed generation published stays, and so does what was asked and what came
 * of it. A job that ended badly leaves nothing in the output. The scheduler's clock is set forward; everything else is real.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fileUri, type JobId, newRequestId, parseTaskKeys } from '@millrace/protocol';
import { startTestRedis } from '@millrace/queues/testing';
import { startScheduler } from '@millrace/scheduler';
import { type Clock, idSource, silentLog, systemClock } from '@millrace/service-kit';
import { cli } from './support/cli.ts';
import { partsOf, query } from './support/duckdb.ts';
import { filesBelow, jobIds, manifest, sha256Of } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { root, Workbench } from './support/workbench.ts';

const day = 86_400_000;
const timeScale = 0.02;
const taskKey = `k1:${'0'.repeat(64)}`;

let bench: Workbench;
before(() => {
  bench = new Workbench('retention');
});
after(() => bench.close());

const inDays = (days: number): Clock => ({
  ...systemClock,
  nowMs: () => systemClock.nowMs() + days * day,
  nowIso: () => new Date(systemClock.nowMs() + days * day).toISOString(),
});

/** Scheduler and host on the journal of a finished run, so many days later, for as long as `act` takes. */
async function daysLater(
  days: number,
  out: string,
  act: (redrive: () => Promise<{ readonly ok: boolean; readonly code?: string }>) => Promise<void>,
): Promise<void> {
  const redis = await startTestRedis();
  const scratch = bench.path(`scratch-${days}`);
  mkdirSync(join(scratch, 'host'), { recursive: true });
  const places = { journal: fileUri(join(out, '_journal')), readRoots: [bench.home], writeRoots: [out] };
  const scheduler = await startScheduler({
    ...places,
    redis: redis.url,
    core: bench.core,
    taskKeys: parseTaskKeys(taskKey),
    pool: 'default',
    timeScale,
    scratch,
    log: silentLog,
    clock: inDays(days),
  });
  const host = spawn(process.execPath, [join(root, 'packages/worker-host/src/main.ts')], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      TMPDIR: bench.temporary,
      MILLRACE_REDIS: redis.url,
      MILLRACE_JOURNAL: places.journal,
      MILLRACE_CORE: bench.core,
      MILLRACE_TASK_KEY: taskKey,
      MILLRACE_TIME_SCALE: String(timeScale),
      MILLRACE_READ_ROOTS: bench.home,
      MILLRACE_WRITE_ROOTS: out,
      MILLRACE_SCRATCH: join(scratch, 'host'),
      MILLRACE_DRAIN_MS: '0',
      MILLRACE_TELEMETRY_PORT: '0',
    },
  });
  const ended = new Promise((resolve) => host.once('close', resolve));
  const [jobId = ''] = jobIds(out);
  const head = { requestId: newRequestId(idSource()), tenant: 'default', by: 'test', reason: 'a test' };
  try {
    await act(async () => {
      const answer = await scheduler.control.queues.requests.ask(
        { kind: 'redrive', ...head, jobId: jobId as JobId, select: 'all', spec: null },
        { timeoutMs: 15_000 },
      );
      return answer.ok ? { ok: true } : { ok: false, code: answer.code };
    });
  } finally {
    host.kill('SIGTERM');
    await ended;
    await scheduler.stop();
    await redis.stop();
  }
}

const jobFolder = (out: string): string => join(out, '_journal', 'jobs', jobIds(out)[0] ?? '');
const inJob = (out: string): string[] => readdirSync(jobFolder(out)).sort();
const rejectFiles = (out: string): string[] => filesBelow(join(out, '_rejects'));

describe('retention of a job that completed with rejects', () => {
  it('rejects and history stay for their time, then both go, and the output stays as it was', async () => {
    const { directory: data } = bench.generate('data', { records: 5_000, files: 2 });
    const out = bench.path('out');
    const ran = await cli([
      'run',
      join(data, 'spec.yaml'),
      '--set',
      `output.uri=${out}/`,
      '--set',
      'retention.history=10d',
      '--set',
      'retention.rejects=40d',
      '--quiet',
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    const [jobId = ''] = jobIds(out);
    const { parts, balance } = manifest(out, jobId);
    assert.ok(balance.rejected > 0 && rejectFiles(out).length > 0);
    const published = parts.map(({ uri }) => sha256Of(fileURLToPath(uri)));
    const before = inJob(out);

    // The history's own time is over, but rejects are open and a replay of them would need it.
    await daysLater(11, out, async (redrive) => {
      assert.equal((await redrive()).code, 'PLAN_EMPTY', 'there is nothing to redrive, and nothing has gone');
    });
    assert.deepEqual(inJob(out), before);

    await daysLater(41, out, async (redrive) => {
      await until('the rejects to go', () => rejectFiles(out).length === 0);
      await until('the history to go', () => inJob(out).length === 3);
      assert.equal((await redrive()).code, 'GONE');
    });
    assert.deepEqual(inJob(out), ['commands', 'job.json', 'manifests']);
    assert.deepEqual(
      parts.map(({ uri }) => sha256Of(fileURLToPath(uri))),
      published,
    );
    const [row] = await query(`SELECT count(*) AS n FROM (${partsOf(manifest(out, jobId))})`);
    assert.equal(Number(row?.[0]), balance.rowsOut);
    const shown = await cli(['show', out]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /balance holds/);
    const listed = await cli(['rejects', 'ls', out]);
    assert.equal(listed.code, 3);
    assert.match(listed.stderr, /are gone: their retention ended at/);
  });
});

describe('retention of a job that failed', () => {
  it('what it wrote is kept for a redrive, and goes with the history', async () => {
    const { directory: data } = bench.generate('bad', { records: 5_000, files: 2 });
    const out = bench.path('failed');
    const ran = await cli([
      'run',
      join(data, 'spec.yaml'),
      '--set',
      `output.uri=${out}/`,
      '--set',
      'rejects.maxRows=1',
      '--set',
      'retention.history=1h',
      '--set',
      'retention.rejects=1h',
      '--quiet',
    ]);
    assert.equal(ran.code, 7, ran.stderr);
    const parts = (): string[] => readdirSync(out).filter((name) => name.startsWith('part-'));
    assert.ok(parts().length > 0);
    await daysLater(1, out, async () => {
      await until('the history to go', () => inJob(out).length === 3 && parts().length === 0 && rejectFiles(out).length === 0);
    });
    assert.ok(existsSync(join(jobFolder(out), 'manifests', '000001.json')));
  });
});
