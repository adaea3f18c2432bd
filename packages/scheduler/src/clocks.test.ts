/** F32: the wall clock of a scheduler jumps as it likes. Due times are Redis's and leases are counted by a monotonic clock, so nothing comes early and nothing stops. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isTerminalJobState } from '@millrace/protocol';
import { type Clock, systemClock, systemRandom } from '@millrace/service-kit';
import { accepted, Bench, untilStatus } from './testing/fixture.ts';
import { startScriptedHost } from './testing/scripted-host.ts';

let bench: Bench;
before(async () => {
  bench = await Bench.set();
});
after(() => bench.clear());

const minute = 60_000;
const jumps: readonly (readonly [name: string, offsetMs: (look: number) => number])[] = [
  // Right until the job runs, then another time for good.
  ['two minutes back', (look) => (look < 20 ? 0 : -2 * minute)],
  ['an hour ahead', (look) => (look < 20 ? 0 : 60 * minute)],
  ['a storm of steps', (look) => [0, -2 * minute, 60 * minute, -1, 3 * minute][look % 5] as number],
];

/** The system's, but for what people read. */
function jumping(offsetMs: (look: number) => number): Clock {
  let looks = 0;
  const nowMs = (): number => Date.now() + offsetMs(looks++);
  return { ...systemClock, nowMs, nowIso: () => new Date(nowMs()).toISOString() };
}

describe('F32: a wall clock that jumps', () => {
  for (const [name, offsetMs] of jumps) {
    it(`${name}: no retry is early, and the job ends`, async () => {
      // The longest delay there is: 0.9 of what jitter may draw.
      const random = { ...systemRandom, next: () => 0.9 };
      const scheduler = await bench.startScheduler({ clock: jumping(offsetMs), random, timeScale: 0.1, prefix: `${name.replaceAll(' ', '-')}:{m}` });
      const { queues, times } = scheduler.control;
      const failedAt = new Map<number, number>();
      const waited: number[] = [];
      const host = await startScriptedHost(scheduler.control, {
        chunk: async (chunk, attempt) => {
          // As Redis has it, before the failure is told: the retry is due after this.
          const now = await queues.time();
          if (attempt > 1) waited.push(now - (failedAt.get(chunk) ?? now));
          else failedAt.set(chunk, now);
          return attempt === 1 ? { class: 'transient', code: 'QUEUE_UNAVAILABLE' } : 'commit';
        },
      });
      try {
        const key = name.replaceAll(' ', '-');
        const jobId = await accepted(scheduler, key, bench.spec(await bench.file(`${key}.txt`, 4), {}, key));
        const status = await untilStatus(scheduler, jobId, ({ state }) => isTerminalJobState(state), 120_000);
        assert.equal(status.state, 'completed');
        assert.equal(waited.length, 4);
        for (const ms of waited) assert.ok(ms >= Math.floor(0.9 * times.retryBaseMs), `a retry after ${ms} ms, due after ${0.9 * times.retryBaseMs}`);
      } finally {
        await host.stop();
        await bench.stopScheduler(scheduler);
      }
    });
  }
});
