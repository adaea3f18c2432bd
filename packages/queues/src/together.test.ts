import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Together } from './together.ts';

/** Sends that stay under way until they are let go. */
function heldSends(): { send: (name: string, items: readonly number[]) => Promise<number[]>; sent: [string, number[]][]; next: () => Promise<void> } {
  const sent: [string, number[]][] = [];
  const waiting: (() => void)[] = [];
  const send = (name: string, items: readonly number[]): Promise<number[]> => {
    sent.push([name, [...items]]);
    return new Promise((resolve, reject) => {
      waiting.push(() => (items.includes(13) ? reject(new Error('unlucky')) : resolve(items.map((item) => item * 10))));
    });
  };
  const next = async (): Promise<void> => {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    waiting.shift()?.();
  };
  return { send, sent, next };
}

test('calls of one turn go together, those that come meanwhile go next, each with its own answer', async () => {
  const { send, sent, next } = heldSends();
  const together = new Together(send, { most: 10 });
  const first = [1, 2].map((item) => together.call('a', item));
  await new Promise((resolve) => setImmediate(resolve));
  const later = [3, 4, 5].map((item) => together.call('a', item));
  await next();
  assert.deepEqual(await Promise.all(first), [10, 20]);
  await next();
  assert.deepEqual(await Promise.all(later), [30, 40, 50]);
  assert.deepEqual(sent, [
    ['a', [1, 2]],
    ['a', [3, 4, 5]],
  ]);
});

test('names do not wait for one another, and a name is free again when its calls are over', async () => {
  const { send, sent, next } = heldSends();
  const together = new Together(send, { most: 10 });
  const [one, other] = [together.call('a', 1), together.call('b', 2)];
  await next();
  await next();
  assert.deepEqual(await Promise.all([one, other]), [10, 20]);
  const again = together.call('a', 3);
  await next();
  assert.equal(await again, 30);
  assert.deepEqual(sent, [
    ['a', [1]],
    ['b', [2]],
    ['a', [3]],
  ]);
});

test('a call is no heavier than allowed, and what is too heavy alone goes alone', async () => {
  const { send, sent, next } = heldSends();
  const together = new Together(send, { most: 5, weightOf: (item: number) => item });
  const calls = [2, 3, 9, 1, 1].map((item) => together.call('a', item));
  for (let call = 0; call < 3; call++) await next();
  assert.deepEqual(await Promise.all(calls), [20, 30, 90, 10, 10]);
  assert.deepEqual(
    sent.map(([, items]) => items),
    [[2, 3], [9], [1, 1]],
  );
});

test('a fault reaches all who went together and nobody else', async () => {
  const { send, next } = heldSends();
  const together = new Together(send, { most: 2 });
  const calls = [1, 13, 2].map((item) => together.call('a', item));
  const settled = Promise.allSettled(calls);
  await next();
  await next();
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  );
});
