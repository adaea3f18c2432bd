import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptFaults, type Look, podsOf, scalingFaults } from './judge.ts';

const pod = (name: string, ready: string, more: object = {}) => ({
  metadata: { name, ...more },
  status: { conditions: [{ type: 'Ready', status: ready }], containerStatuses: [{ restartCount: 2 }] },
});

test('pods are read as kubectl lists them', () => {
  const text = JSON.stringify({
    items: [pod('a', 'True'), pod('b', 'False', { deletionTimestamp: '2026-11-23T10:00:00Z' }), { metadata: { name: 'c' }, status: {} }],
  });
  assert.deepEqual(podsOf(text), [
    { name: 'a', isReady: true, isLeaving: false, restarts: 2 },
    { name: 'b', isReady: false, isLeaving: true, restarts: 2 },
    { name: 'c', isReady: false, isLeaving: false, restarts: 0 },
  ]);
  assert.throws(() => podsOf('{"kind": "Status"}'));
});

const looks = (...pods: readonly (readonly [wanted: number, pods: number])[]): Look[] =>
  pods.map(([wanted, of], at) => ({ atMs: at, wanted, pods: of, inHand: 0 }));

test('a pool that follows its work and comes back has no fault, any other says which', () => {
  const bounds = { least: 1, most: 6 };
  assert.deepEqual(scalingFaults(looks([1, 1], [6, 2], [6, 6], [1, 6], [1, 1]), bounds), []);
  assert.match(scalingFaults(looks([1, 1], [1, 1]), bounds).join(), /never wanted/);
  assert.match(scalingFaults(looks([6, 1], [6, 3], [1, 1]), bounds).join(), /at most 3 pods, 6 were wanted/);
  assert.match(scalingFaults(looks([6, 7], [1, 1]), bounds).join(), /7 pods, expected at most 6/);
  assert.match(scalingFaults(looks([6, 6], [6, 6]), bounds).join(), /at the end 6 pods/);
  assert.match(scalingFaults([], bounds).join(), /never looked at/);
});

test('a drain loses nothing, a kill may, and nobody commits twice', () => {
  const seen = (chunk: string, outcome: string, code: string | null = null) => ({
    chunk,
    attemptId: 'a1',
    outcome,
    code,
    pod: 'a',
    startedAt: null,
    endedAt: null,
  });
  assert.deepEqual(attemptFaults([seen('read.0', 'released'), seen('read.0', 'committed')], 'drained'), []);
  assert.deepEqual(attemptFaults([seen('read.0', 'lost', 'HOST_LOST')], 'drained'), ['read.0: lost (HOST_LOST)']);
  assert.deepEqual(attemptFaults([seen('read.0', 'lost', 'HOST_LOST'), seen('read.0', 'committed')], 'killed'), []);
  assert.deepEqual(attemptFaults([seen('read.0', 'committed'), seen('read.0', 'committed')], 'killed'), ['read.0: committed twice']);
});
