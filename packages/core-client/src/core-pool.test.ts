/** Slots and their cores, with scripted cores in processes of their own. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CorePool, type CorePoolOptions } from './core-pool.ts';
import type { CoreProcess } from './core-process.ts';
import { startCore } from './core-process.ts';
import { capturedLog, scriptedCoreOptions } from './testing/index.ts';

const get = (key: string) =>
  ({ type: 'StoreGet', scope: { connection: 'j', kind: 'journal', jobKey: null, specDigest: null }, key, range: null, ifMatch: null }) as const;

function poolOf(t: TestContext, options: Partial<CorePoolOptions> = {}): { readonly pool: CorePool; readonly started: CoreProcess[] } {
  const started: CoreProcess[] = [];
  const pool = new CorePool({
    slots: 2,
    log: capturedLog(),
    random: () => 0.5,
    start: async () => {
      const core = await startCore(scriptedCoreOptions());
      started.push(core);
      return core;
    },
    ...options,
  });
  t.after(() => pool.stop());
  return { pool, started };
}

test('a core is leased to one caller at a time, and used again', async (t) => {
  const { pool, started } = poolOf(t, { slots: 1 });
  const first = await pool.lease();
  let isSecondHere = false;
  const second = pool.lease().then((lease) => {
    isSecondHere = true;
    return lease;
  });
  await first.core.ping({ deadlineMs: 120_000 });
  assert.equal(isSecondHere, false);
  first.release();
  first.release();
  assert.equal((await second).core.pid, first.core.pid);
  (await second).release();
  assert.equal(started.length, 1);
});

test('every slot starts its own core', async (t) => {
  const { pool, started } = poolOf(t);
  await pool.start();
  assert.equal(pool.liveCores, 2);
  const leases = await Promise.all([pool.lease(), pool.lease()]);
  assert.deepEqual(
    leases.map((lease) => lease.slot),
    [0, 1],
  );
  for (const lease of leases) lease.release();
  assert.equal(started.length, 2);
});

test('a dead or panicked core is replaced by a fresh one', async (t) => {
  const { pool } = poolOf(t, { slots: 1 });
  const pids = new Set<number>();
  for (const key of ['crash', 'panic', 'fine']) {
    const lease = await pool.lease();
    pids.add(lease.core.pid);
    await lease.core.request(get(key), { deadlineMs: 120_000 }).catch(() => {});
    lease.release();
  }
  assert.equal(pids.size, 3);
});

test('a core is replaced after its leases, at its age, and when it has grown', async (t) => {
  let nowMs = 0;
  const { pool, started } = poolOf(t, { slots: 1, maxLeases: 3, maxAgeMs: 1000, nowMs: () => nowMs });
  const use = async (after?: { readonly rssBytes?: number; readonly replace?: boolean }): Promise<void> => (await pool.lease()).release(after);
  for (let lease = 0; lease < 4; lease += 1) await use();
  assert.equal(started.length, 2, 'after three leases');
  nowMs = 1000;
  await use();
  assert.equal(started.length, 3, 'at its age');
  await use({ rssBytes: 300 << 20 });
  await use({ rssBytes: 451 << 20 });
  assert.equal(started.length, 3);
  await use();
  assert.equal(started.length, 4, 'after it had grown by more than a half');
  await use({ replace: true });
  await use();
  assert.equal(started.length, 5, 'when asked');
  for (const core of started.slice(0, -1)) assert.equal((await core.gone).killedFor, null, 'the old one left by itself');
});

test('a core that began with a small chunk is kept behind one of the usual size, and replaced behind a larger one', async (t) => {
  const { pool, started } = poolOf(t, { slots: 1 });
  const use = async (rssBytes: number): Promise<void> => (await pool.lease()).release({ rssBytes });
  await use(20 << 20);
  await use(250 << 20);
  await use(380 << 20);
  await use(390 << 20);
  assert.equal(started.length, 1, 'usual');
  await use(20 << 20);
  assert.equal(started.length, 2, 'grown');
});

test('a slot whose core does not start gives its error and is free again', async (t) => {
  let isBroken = true;
  const { pool } = poolOf(t, { slots: 1, start: () => startCore(isBroken ? { ...scriptedCoreOptions(), binary: '/nonexistent' } : scriptedCoreOptions()) });
  await assert.rejects(pool.lease(), { code: 'CORE_START' });
  isBroken = false;
  (await pool.lease()).release();
});

test('an aborted wait leaves the line', async (t) => {
  const { pool } = poolOf(t, { slots: 1 });
  const lease = await pool.lease();
  const stopping = new AbortController();
  const waiting = pool.lease(stopping.signal);
  stopping.abort(new Error('draining'));
  await assert.rejects(waiting, /draining/);
  lease.release();
  (await pool.lease()).release();
});

test('stop ends leased cores too, waits for them, and lets nobody in', async (t) => {
  const { pool, started } = poolOf(t, { slots: 1 });
  const lease = await pool.lease();
  const held = lease.core.request(get('hold'), { deadlineMs: 120_000 });
  held.catch(() => {});
  const waiting = pool.lease();
  waiting.catch(() => {});
  await pool.stop();
  await assert.rejects(held, { name: 'CoreGoneError' });
  await assert.rejects(waiting, /the pool is stopped/);
  await assert.rejects(pool.lease(), /the pool is stopped/);
  assert.ok(started.every((core) => !core.isAlive));
});
