import assert from 'node:assert/strict';
import { test } from 'node:test';

import { jobIdFromKey } from './derived-ids.ts';
import { chunkId, chunkTaskId } from './ids.ts';
import { workQueueName } from './task.ts';
import { parseTaskKeys, signTask, verifyTask } from './task-signature.ts';

const older = `k1:${'11'.repeat(32)}`;
const newer = `k2:${'22'.repeat(32)}`;
const queue = workQueueName('chunk', 'default', 1);
const task = chunkTaskId(chunkId(jobIdFromKey('t', 'k'), 'read', 0), { generation: 1, epoch: 'e1', number: 1 });

test('a signed task is verified, and nothing else is', () => {
  const keys = parseTaskKeys(newer);
  const signature = signTask(queue, task, keys);
  assert.match(signature, /^k2\.[0-9a-f]{32}$/);
  assert.ok(verifyTask(queue, task, signature, keys));
  assert.ok(!verifyTask(workQueueName('plan', 'default', 1), task, signature, keys));
  assert.ok(!verifyTask(queue, task.replace(/1$/, '2'), signature, keys));
  for (const wrong of [null, '', 'k2', `k3${signature.slice(2)}`, `${signature}0`, `k2.${'0'.repeat(32)}`, signature.toUpperCase()]) {
    assert.ok(!verifyTask(queue, task, wrong, keys), String(wrong));
  }
});

test('keys rotate: the first signs, all verify', () => {
  const before = parseTaskKeys(older);
  const during = parseTaskKeys(`${newer}, ${older}`);
  assert.ok(verifyTask(queue, task, signTask(queue, task, before), during));
  assert.ok(signTask(queue, task, during).startsWith('k2.'));
  assert.ok(!verifyTask(queue, task, signTask(queue, task, during), before));
});

test('task keys that cannot be read are refused without telling them', () => {
  for (const text of ['', 'abc', `k1:${'1'.repeat(63)}`, `${older},`, `${older},${older}`]) {
    assert.throws(
      () => parseTaskKeys(text),
      (error: Error) => !error.message.includes('11111'),
    );
  }
});
