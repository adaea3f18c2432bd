/** Kills in the middle of a job: whatever dies, the output is that of the undisturbed run, row by row, and nothing is left behind. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JobStatus, Manifest } from '@millrace/protocol';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { flushRedis, freeze, holdBusyCore, killBusyCore, killRole, roleOf } from './support/accidents.ts';
import { expectSameRows, partsOf, rejectsOf } from './support/duckdb.ts';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { failures, isSealed, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const STAGE = 'clean';
/** Longer than a lease and the look for stalled claims at the time scale of these tests. */
const FROZEN_MS = 8_000;

let bench: Workbench;
let data: string;
let undisturbed: Manifest;

before(async () => {
  bench = new Workbench('kills');
  data = bench.generate('data', { records: 40_000, files: 2 }).directory;
  undisturbed = await run('undisturbed', async () => {});
  assert.deepEqual(failures(bench.path('undisturbed'), undisturbed.jobId), []);
});
after(() => bench.close());

/** Runs the job on two hosts while an accident happens, and checks all that must hold afterwards. */
async function run(name: string, accident: (local: LocalStack, out: string, jobId: string) => Promise<void>): Promise<Manifest> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [data], hostSlots: [1, 1] });
  let status: JobStatus;
  let jobId: string;
  try {
    const handle = await local.producer.submit(generatedSpec(data, out, '64KiB') as never, { idempotencyKey: name });
    jobId = handle.jobId;
    const following = followToEnd(handle);
    following.catch(() => {});
    await accident(local, out, jobId);
    status = await following;
  } finally {
    await local.stop();
  }
  assert.equal(status.state, 'completed', status.failure?.message);
  await bench.expectNothingRuns();
  const manifest = expectTidy(out, jobId);
  await expectTruth(data, out);
  return manifest;
}

async function expectAsUndisturbed(manifest: Manifest): Promise<void> {
  assert.deepEqual(manifest.balance, undisturbed.balance);
  await expectSameRows('rows', partsOf(manifest), partsOf(undisturbed));
  await expectSameRows('rejects', rejectsOf(manifest), rejectsOf(undisturbed));
}

const someCommitted = (out: string, jobId: string, count = 8): Promise<void> =>
  until(`${count} receipts`, () => isSealed(out, jobId) && verdictCount(out, jobId, STAGE) >= count, { every: 5 });

describe('in the middle of a job', () => {
  it('a worker host is killed and another one takes its place', async () => {
    const manifest = await run('host-killed', async (local, out, jobId) => {
      await someCommitted(out, jobId);
      await killRole(local, 'worker-host');
      local.stack.start('worker-host');
    });
    await expectAsUndisturbed(manifest);
  });

  it('all worker hosts are killed', async () => {
    const manifest = await run('hosts-killed', async (local, out, jobId) => {
      await someCommitted(out, jobId);
      await holdBusyCore(local, out);
      await killRole(local, 'worker-host');
      await killRole(local, 'worker-host');
      local.stack.start('worker-host');
    });
    await expectAsUndisturbed(manifest);
    const lost = failures(bench.path('hosts-killed'), manifest.jobId).filter(({ outcome }) => outcome === 'lost');
    assert.ok(lost.length >= 1, 'the attempts of the killed hosts are on record');
    for (const record of lost) {
      assert.deepEqual([record.class, record.code], ['lost', 'LEASE_EXPIRED']);
      assert.match(record.worker, /^worker-host-/);
      assert.ok(record.range !== null && record.fingerprint.startsWith('fp1-'));
    }
  });

  for (const [signal, code] of [
    ['SIGKILL', 'CORE_MEMORY'],
    ['SIGSEGV', 'CORE_CRASH'],
  ] as const) {
    it(`a core gets ${signal}`, async () => {
      const manifest = await run(`core-${signal}`, async (local, out, jobId) => {
        await someCommitted(out, jobId);
        await killBusyCore(local, signal, out, jobId);
      });
      await expectAsUndisturbed(manifest);
      const [record] = failures(bench.path(`core-${signal}`), manifest.jobId);
      assert.deepEqual([record?.code, record?.signal, record?.outcome], [code, signal, 'failed']);
    });
  }

  it('the scheduler is killed and started again', async () => {
    const manifest = await run('scheduler-killed', async (local, out, jobId) => {
      await someCommitted(out, jobId);
      await killRole(local, 'scheduler');
      local.stack.start('scheduler');
    });
    await expectAsUndisturbed(manifest);
  });

  it('Redis loses everything', async () => {
    const manifest = await run('redis-flushed', async (local, out, jobId) => {
      await someCommitted(out, jobId);
      await flushRedis(local);
    });
    await expectAsUndisturbed(manifest);
  });

  it('a worker host stands still for longer than its lease and then goes on', async () => {
    const manifest = await run('host-frozen', async (local, out, jobId) => {
      await someCommitted(out, jobId);
      await freeze(roleOf(local, 'worker-host').child.pid ?? 0, FROZEN_MS);
    });
    await expectAsUndisturbed(manifest);
  });

  it('Redis stands still for longer than a lease', async () => {
    const manifest = await run('redis-frozen', async (local, out, jobId) => {
      await someCommitted(out, jobId);
      const redis = bench.processes().find(({ command }) => /redis-server \S/.test(command));
      assert.ok(redis !== undefined, JSON.stringify(bench.processes()));
      await freeze(redis.pid, FROZEN_MS);
      assert.equal(
        local.stack.roles.every(({ child }) => child.exitCode === null),
        true,
        'nobody gave up',
      );
    });
    await expectAsUndisturbed(manifest);
  });

  it('everything is killed and a new stack with an empty Redis goes on', async () => {
    const name = 'all-killed';
    const out = bench.path(name);
    const first = await bench.stack({ out, readRoots: [data], hostSlots: [1, 1] });
    let jobId = '';
    try {
      jobId = (await first.producer.submit(generatedSpec(data, out, '64KiB') as never, { idempotencyKey: name })).jobId;
      await someCommitted(out, jobId);
      for (const role of first.stack.roles) role.child.kill('SIGKILL');
    } finally {
      await first.stop();
    }
    const manifest = await run(name, async () => {});
    assert.equal(manifest.jobId, jobId);
    await expectAsUndisturbed(manifest);
  });
});
