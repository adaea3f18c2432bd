import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Service, service, startAll, stopAll } from './lifecycle.ts';
import { silentLog } from './logger.ts';
import { captureLog, FakeClock, TestSignal } from './testing/index.ts';

function recorded(name: string, acts: string[], fail?: 'start' | 'stop'): Service {
  const act = (what: 'start' | 'stop') => async () => {
    acts.push(`${what} ${name}`);
    if (fail === what) throw new Error(`${name} cannot ${what}`);
  };
  return service(name, act('start'), act('stop'));
}

test('services start in order and stop in reverse', async () => {
  const acts: string[] = [];
  const services = ['a', 'b', 'c'].map((name) => recorded(name, acts));
  await startAll(services, silentLog, 1_000);
  assert.equal(await stopAll(services, silentLog, 1_000), true);
  assert.deepEqual(acts, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
});

test('a double stop stops once, and a stop before the start means never starting', async () => {
  const acts: string[] = [];
  const one = recorded('a', acts);
  await Promise.all([one.start(), one.start()]);
  await Promise.all([one.stop(), one.stop()]);
  await one.stop();
  const never = recorded('never', acts);
  await never.stop();
  await never.start();
  assert.deepEqual(acts, ['start a', 'stop a']);
});

test('a stop during the start waits for it', async () => {
  const ready = new TestSignal();
  const acts: string[] = [];
  const slow = service(
    'slow',
    async () => {
      await ready.wait();
      acts.push('started');
    },
    async () => {
      acts.push('stopped');
    },
  );
  const starting = slow.start();
  const stopping = slow.stop();
  ready.fire();
  await Promise.all([starting, stopping]);
  assert.deepEqual(acts, ['started', 'stopped']);
});

test('when one fails to start, those before it and itself are stopped and the failure is thrown', async () => {
  const acts: string[] = [];
  const services = [recorded('a', acts), recorded('b', acts, 'start'), recorded('c', acts)];
  await assert.rejects(startAll(services, silentLog, 1_000), /b cannot start/);
  assert.deepEqual(acts, ['start a', 'start b', 'stop b', 'stop a']);
});

test('one that fails or hangs while stopping does not keep the others from it', async () => {
  const acts: string[] = [];
  const { log, lines } = captureLog();
  const clock = new FakeClock();
  const hangs = service(
    'hangs',
    async () => {},
    () => {
      acts.push('stop hangs');
      return new Promise(() => {});
    },
  );
  const services = [recorded('a', acts), recorded('b', acts, 'stop'), hangs];
  await startAll(services, log, 1_000, clock);
  const stopping = stopAll(services, log, 1_000, clock);
  while (clock.waiting === 0) await Promise.resolve();
  clock.advance(1_000);
  while (!acts.includes('stop a')) {
    clock.advance(1);
    await new Promise(setImmediate);
  }
  assert.equal(await stopping, false);
  assert.deepEqual(acts.slice(3), ['stop b', 'stop a']);
  assert.deepEqual(
    lines.map((line) => [line.msg, line['stopped']]),
    [
      ['service did not stop in time', 'hangs'],
      ['service failed to stop', 'b'],
    ],
  );
});
