import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leaseTimes } from '@millrace/protocol';
import { FakeClock } from '@millrace/service-kit/testing';
import { FenceError, keepLease } from './lease-keeper.ts';

/** Lease 60 s, renewal 10 s, fence 36 s. */
const times = leaseTimes(1);

type Answer = 'renewed' | 'lost' | 'hangs' | Error;

/** A claimed task whose renewals are answered by script; the last answer goes on. An answer comes `delayMs` after it was asked. */
class ScriptedTask {
  readonly sentAt: number[] = [];
  readonly #clock: FakeClock;
  readonly #delayMs: number;
  answers: Answer[];

  constructor(clock: FakeClock, answers: Answer[] = ['renewed'], delayMs = 0) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.answers = answers;
  }

  async renew(): Promise<'renewed' | 'lost'> {
    this.sentAt.push(this.#clock.monotonicMs());
    const answer = this.answers.length > 1 ? (this.answers.shift() as Answer) : (this.answers[0] as Answer);
    if (this.#delayMs > 0) await this.#clock.sleep(this.#delayMs);
    if (answer === 'hangs') return new Promise(() => {});
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Time passes in small steps, so that answers can be taken in between; the core shows life all the while unless told otherwise. */
async function pass(clock: FakeClock, ms: number, each: () => void = () => {}): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    each();
    clock.advance(Math.min(500, ms - passed));
    await settled();
  }
}

async function keptLease(answers: Answer[] = ['renewed'], delayMs = 0) {
  const clock = new FakeClock(0);
  const task = new ScriptedTask(clock, answers, delayMs);
  const keeping = keepLease(task, times, clock);
  if (delayMs > 0) await pass(clock, delayMs);
  return { clock, task, lease: await keeping };
}

describe('a lease', () => {
  it('is proven from the moment its renewal was sent, not answered', async () => {
    const { clock, lease } = await keptLease(['renewed'], 4_000);
    assert.equal(clock.monotonicMs(), 4_000);
    assert.equal(lease.leftMs(), 56_000);
    lease.stop();
  });

  it('is renewed every period while life is shown', async () => {
    const { clock, task, lease } = await keptLease();
    await pass(clock, 65_000, () => lease.showLife());
    assert.deepEqual(
      task.sentAt.slice(0, 4).map((at) => Math.round(at / 10_000)),
      [0, 1, 2, 3],
    );
    assert.equal(task.sentAt.length, 7);
    assert.equal(lease.signal.aborted, false);
    assert.ok(lease.leftMs() > 50_000);
    lease.stop();
  });

  it('is not renewed in silence, and the host is fenced at 0.6 of the lease after the last proof', async () => {
    const { clock, task, lease } = await keptLease();
    await pass(clock, 30_000);
    const last = task.sentAt.at(-1) as number;
    assert.ok(last <= 30_000);
    await pass(clock, last + times.fenceMs - clock.monotonicMs() - 500);
    assert.equal(lease.signal.aborted, false);
    await pass(clock, 2_000);
    assert.equal(task.sentAt.at(-1), last);
    assert.equal((lease.signal.reason as FenceError).reason, 'lease not proven');
    assert.equal(lease.leftMs(), 0);
  });

  it('is fenced at once when the answer is lost', async () => {
    const { clock, task, lease } = await keptLease(['renewed', 'lost']);
    await pass(clock, 12_000, () => lease.showLife());
    assert.ok(lease.signal.reason instanceof FenceError);
    assert.equal(lease.signal.reason.reason, 'lease lost');
    const asked = task.sentAt.length;
    await pass(clock, 60_000, () => lease.showLife());
    assert.equal(task.sentAt.length, asked, 'no renewal after the end');
  });

  it('is fenced in time when a renewal hangs', async () => {
    const { clock, lease } = await keptLease(['renewed', 'hangs']);
    await pass(clock, times.fenceMs - 1_000, () => lease.showLife());
    assert.equal(lease.signal.aborted, false);
    await pass(clock, 3_000, () => lease.showLife());
    assert.equal(lease.signal.aborted, true);
    assert.ok(clock.monotonicMs() < times.leaseMs, 'before the lease ends');
  });

  it('survives renewals without answer when a later one is granted', async () => {
    const away = new Error('Connection is closed.');
    const { clock, task, lease } = await keptLease(['renewed', away, away, 'renewed']);
    await pass(clock, 50_000, () => lease.showLife());
    assert.equal(lease.signal.aborted, false);
    assert.ok(task.sentAt.length >= 6);
    assert.ok(lease.leftMs() > times.leaseMs - 2 * times.renewMs);
    lease.stop();
  });

  it('is given up when the first renewal is lost, fails or hangs', async () => {
    for (const answer of ['lost', new Error('away'), 'hangs'] as const) {
      const clock = new FakeClock(0);
      const keeping = keepLease(new ScriptedTask(clock, [answer]), times, clock);
      keeping.catch(() => {});
      await pass(clock, times.fenceMs + 2_000);
      await assert.rejects(keeping, { name: 'FenceError', reason: answer === 'lost' ? 'lease lost' : 'lease not proven' });
      assert.equal(clock.waiting, 0, 'no timer is left');
    }
  });

  it('F32: is renewed at the same moments whatever the wall clock says: two minutes back, an hour ahead, a storm of steps', async () => {
    for (const stepsMs of [[-120_000], [3_600_000], [0, -120_000, 3_600_000, -1, 180_000]]) {
      const clock = new FakeClock(0);
      let looks = 0;
      clock.nowMs = () => clock.monotonicMs() + (stepsMs[looks++ % stepsMs.length] as number);
      const task = new ScriptedTask(clock);
      const lease = await keepLease(task, times, clock);
      await pass(clock, 65_000, () => lease.showLife());
      assert.deepEqual(
        task.sentAt.map((at) => Math.round(at / 10_000)),
        [0, 1, 2, 3, 4, 5, 6],
      );
      assert.equal(lease.signal.aborted, false);
      lease.stop();
    }
  });

  it('leaves no timer behind when it is stopped', async () => {
    const { clock, lease } = await keptLease();
    lease.stop();
    assert.equal(clock.waiting, 0);
    await pass(clock, 100_000);
    assert.equal(lease.signal.aborted, false);
  });
});
