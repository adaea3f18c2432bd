import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CoreProcess, KillReason } from '@millrace/core-client';
import { type AttemptId, type ChunkId, leaseTimes } from '@millrace/protocol';
import type { Progress } from '@millrace/protocol/wire';
import type { ProgressAnswer } from '@millrace/queues';
import { silentLog } from '@millrace/service-kit';
import { FakeClock, TestSignal } from '@millrace/service-kit/testing';
import type { Host } from './host.ts';
import type { Lease } from './lease-keeper.ts';
import { ProgressKeeper } from './progress-keeper.ts';

const times = leaseTimes(0.01);
const attempt = { attemptId: 'a1' as AttemptId, startedAt: '2026-11-23T10:00:00.000Z', startedMs: 0, orders: { chunkId: 'j1.read.0' as ChunkId } };
const goOn: ProgressAnswer = { cancelled: false, paused: false, current: true };

const progress = (changes: Partial<Progress> = {}): Progress => ({
  type: 'Progress',
  phase: 'read',
  recordsIn: 0,
  emitted: 0,
  filtered: 0,
  rejected: 0,
  bytesIn: 0,
  bytesTotal: 100,
  byte: 0,
  record: 0,
  line: 0,
  rssBytes: 1,
  spillBytes: 0,
  ...changes,
});

/** A keeper over a lease, a ledger and a core that only note what they are told. */
function keeperOf(answer: ProgressAnswer = goOn) {
  const clock = new FakeClock(0);
  const fence = new AbortController();
  const drain = new AbortController();
  const told: unknown[] = [];
  const kills: KillReason[] = [];
  const killed = new TestSignal<KillReason>();
  const pinged = new TestSignal<number | undefined>();
  let shown = 0;
  const showLife = (): void => {
    shown += 1;
  };
  const lease: Lease = { signal: fence.signal, leftMs: () => 1_234, stop() {}, showLife };
  const ledger = {
    progress: async (...args: unknown[]) => {
      told.push(args);
      return answer;
    },
  };
  const host = { queues: { ledger }, times, clock, log: silentLog, drain: drain.signal } as unknown as Host;
  const core = {
    kill: async (reason: KillReason) => {
      kills.push(reason);
      killed.fire(reason);
    },
    ping: async ({ leaseLeftMs }: { leaseLeftMs?: number }) => pinged.fire(leaseLeftMs),
  } as unknown as CoreProcess;
  const keeper = new ProgressKeeper(attempt, lease, host);
  return { keeper, core, clock, fence, drain, told, kills, killed, pinged, shownLife: () => shown };
}

describe('progress of a core', () => {
  it('shows life, reaches the ledger, and the core hears of the lease', async () => {
    const { keeper, core, told, pinged, shownLife } = keeperOf();
    keeper.watch(core);
    keeper.note(progress({ bytesIn: 40, recordsIn: 4 }), core);
    assert.equal(await pinged.wait(), 1_234);
    assert.deepEqual(told, [['j1.read.0', 'a1', { bytesDone: 40, recordsDone: 4 }]]);
    assert.deepEqual(keeper.progress, { bytesDone: 40, recordsDone: 4 });
    assert.ok(shownLife() >= 2);
    keeper.stop();
  });

  it('is not needed to hear that the job was cancelled: a core that hangs, and an attempt without one, are told as well', async () => {
    const { keeper, told } = keeperOf({ ...goOn, cancelled: true });
    await new Promise((resolve) => keeper.signal.addEventListener('abort', resolve, { once: true }));
    assert.equal(keeper.stoppedFor, 'cancel');
    assert.deepEqual(told, [['j1.read.0', 'a1', { bytesDone: 0, recordsDone: 0 }]]);
    keeper.stop();
  });

  it('brings back that the job was cancelled', async () => {
    const { keeper, core, pinged, kills } = keeperOf({ ...goOn, cancelled: true });
    keeper.watch(core);
    keeper.note(progress(), core);
    await pinged.wait();
    assert.deepEqual([keeper.stoppedFor, keeper.signal.reason, kills], ['cancel', 'cancel', []]);
    keeper.stop();
  });

  it('brings back that somebody else has the chunk: the core is killed', async () => {
    const { keeper, core, killed } = keeperOf({ ...goOn, current: false });
    keeper.watch(core);
    keeper.note(progress(), core);
    assert.equal(await killed.wait(), 'fence');
    assert.equal(keeper.stoppedFor, 'fence');
    keeper.stop();
  });
});

describe('a hang', () => {
  it('is a core whose counts stand still, however often it says that it lives', async () => {
    const { keeper, core, clock, killed } = keeperOf();
    keeper.watch(core);
    for (let at = 0; at < times.coreSilenceMs; at += 1_000) {
      keeper.note(progress({ rssBytes: at }), core);
      clock.advance(1_000);
    }
    assert.equal(await killed.wait(), 'silence');
    keeper.stop();
  });

  it('is not a core that moves, nor one whose work is over', async () => {
    const { keeper, core, clock, kills } = keeperOf();
    const unwatch = keeper.watch(core);
    for (let at = 0; at < 3 * times.coreSilenceMs; at += 1_000) {
      keeper.note(progress({ byte: at + 1 }), core);
      clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    unwatch();
    clock.advance(10 * times.coreSilenceMs);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual(kills, []);
    keeper.stop();
  });
});

describe('a stop', () => {
  it('has the first reason, which the core is told, but a fence outranks it and kills', async () => {
    const { keeper, core, drain, fence, kills } = keeperOf();
    keeper.watch(core);
    drain.abort();
    assert.deepEqual([keeper.stoppedFor, keeper.signal.reason, kills], ['drain', 'drain', []]);
    fence.abort();
    assert.deepEqual([keeper.stoppedFor, kills], ['fence', ['fence']]);
    keeper.stop();
  });

  it('that came before the core was there is met at once', () => {
    const { keeper, core, fence, kills } = keeperOf();
    fence.abort();
    assert.equal(keeper.signal.aborted, true);
    keeper.watch(core);
    assert.deepEqual(kills, ['fence']);
    keeper.stop();
  });

  it('is not heard any more once the keeper was stopped', () => {
    const { keeper, drain } = keeperOf();
    keeper.stop();
    drain.abort();
    assert.equal(keeper.signal.aborted, false);
  });

  it('lets life be shown while something is waited for', async () => {
    const { keeper, shownLife } = keeperOf();
    const before = shownLife();
    await keeper.whileWaiting(async () => {
      while (shownLife() < before + 2) await new Promise((resolve) => setTimeout(resolve, 20));
    });
    const after = shownLife();
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal(shownLife(), after);
    keeper.stop();
  });
});
