/** The scaling rule through a real ledger: what the leader posts, and queues as people set them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PostedScaling, type QueueSetting, workQueueName } from '@millrace/protocol';
import { poolSizes } from './config.ts';
import type { RunningScheduler } from './start-scheduler.ts';
import { accepted, Bench, command, untilEnd, untilStatus } from './testing/fixture.ts';
import { type ScriptedEnd, startScriptedHost } from './testing/scripted-host.ts';

let bench: Bench;
let scheduler: RunningScheduler;
before(async () => {
  bench = await Bench.set();
  scheduler = await bench.startScheduler({ poolSizes: { slotsPerPod: 2, minPods: 1, maxPods: 9, maxSlots: null } });
});
after(() => bench.clear());

async function untilPosted(isIt: (posted: PostedScaling) => boolean): Promise<PostedScaling> {
  for (const startMs = performance.now(); ; await sleep(30)) {
    const found = await scheduler.control.queues.scaling.read('default');
    const posted = found === null ? null : (JSON.parse(found.text) as PostedScaling);
    if (posted !== null && isIt(posted)) return posted;
    if (performance.now() - startMs > 120_000) throw new Error(`it did not come to that: ${JSON.stringify(posted)}`);
  }
}

describe('what a pool wants', () => {
  test('follows the work, and what is paused asks for nothing', async () => {
    const idle = await untilPosted(() => true);
    assert.deepEqual([idle.podsWanted, idle.limitedBy, idle.podsReady, idle.slotsPerPod, idle.maxPods], [1, 'minPods', 0, 2, 9]);
    const planner = await startScriptedHost(scheduler.control, { chunk: () => 'vanish' }, 'w-plans');
    const uri = await bench.file('scaled.txt', 40);
    const jobId = await accepted(scheduler, 'scaled', bench.spec(uri, { name: 'scaled', execution: { priority: 8 } }, 'scaled'));
    await untilStatus(scheduler, jobId, ({ sealed, chunks }) => sealed && chunks.running > 0);
    const posted = await untilPosted(({ bands, podsReady }) => podsReady === 1 && (bands[0]?.chunks ?? 0) > 20);
    assert.equal(posted.isRebuilding, false);
    assert.ok(posted.slotsWanted >= 1 && posted.podsWanted >= 1);
    assert.ok(posted.bands[0] !== undefined && posted.bands[0].workSeconds > 4 && posted.bands[0].bytes > 0);
    await command(scheduler, jobId, 'pause');
    const paused = await untilPosted(({ notCounted }) => notCounted.paused > 20);
    assert.equal(paused.bands[0]?.slots, 0);
    assert.deepEqual(await scheduler.control.queues.scaling.pools(), ['default']);
    assert.ok((await scheduler.control.queues.scaling.decisions('default')).length > 0);
    await command(scheduler, jobId, 'cancel');
    await planner.stop();
    const host = await startScriptedHost(scheduler.control);
    await untilEnd(scheduler, jobId);
    await host.stop();
  });
});

describe('a chunk queue', () => {
  async function set(number: number, changes: Partial<QueueSetting>): Promise<void> {
    const { journal, resultVersion, clock } = scheduler.control;
    const name = workQueueName('chunk', 'default', resultVersion);
    const body = { queue: name, paused: false, maxConcurrency: null, reason: 'a test', by: 'test', at: clock.nowIso(), ...changes };
    await journal.putRegistered('queues', name, number, { at: body.at, by: 'test', reason: body.reason, body });
    for (const startMs = performance.now(); ; await sleep(20)) {
      if (JSON.stringify((await scheduler.control.queues.settings.all()).get(name)) === JSON.stringify(body)) return;
      if (performance.now() - startMs > 120_000) throw new Error('the setting was not taken up');
    }
  }

  test('that is paused in the registry gives nothing, and one at a time when it is bound so', async () => {
    await set(1, { paused: true });
    let [running, most] = [0, 0];
    const host = await startScriptedHost(scheduler.control, {
      chunk: async (): Promise<ScriptedEnd> => {
        running += 1;
        most = Math.max(most, running);
        await sleep(15);
        running -= 1;
        return 'commit';
      },
    });
    const jobId = await accepted(scheduler, 'held', bench.spec(await bench.file('held.txt', 8), { name: 'held' }, 'held'));
    await untilStatus(scheduler, jobId, ({ sealed }) => sealed);
    await untilPosted(({ notCounted }) => notCounted.paused >= 8);
    const told = await scheduler.control.queues.events.status('default', jobId);
    assert.match(told?.waitingFor ?? '', /^queue chunk-default-r\d+, which is paused$/);
    assert.equal(host.attempts.length, 0);
    await set(2, { maxConcurrency: 1 });
    const { state } = await untilEnd(scheduler, jobId);
    assert.deepEqual([state, most, host.attempts.length], ['completed', 1, 8]);
    await set(3, {});
    await host.stop();
  });
});

describe('pools in a file', () => {
  const entry = { pool: 'cpu-a', slotsPerPod: 4, minPods: 1, maxPods: 50 };
  test('are read by name', () => {
    assert.deepEqual(poolSizes(JSON.stringify([{ ...entry, class: 'cpu', role: 'stable' }]), 'cpu-a'), {
      slotsPerPod: 4,
      minPods: 1,
      maxPods: 50,
      maxSlots: null,
    });
  });
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['that are no list', entry, /expected array/],
    ['with more hosts at least than at most', [{ ...entry, minPods: 51 }], /\/0\/minPods: expected minPods not above maxPods/],
    ['with a field nobody knows', [{ ...entry, maxHosts: 1 }], /maxHosts/],
    ['with a canary', [{ ...entry, role: 'canary' }], /not available/],
    ['of another name', [{ ...entry, pool: 'cpu-b' }], /cannot find pool cpu-a .* it has cpu-b/],
    ['named twice', [entry, entry], /named twice/],
  ];
  for (const [name, json, message] of wrong) test(`${name} are refused`, () => assert.throws(() => poolSizes(JSON.stringify(json), 'cpu-a'), message));
});
