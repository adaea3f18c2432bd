import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AttemptFailureClass } from '@millrace/protocol';
import type { PastEnds } from '@millrace/queues';
import { decideNextTry, type NextTry } from './retry-policy.ts';

const none: PastEnds = { input: 0, transient: 0, resource: 0, crash: 0, lost: 0, bug: 0, bisected: false };
const policy = { maxAttempts: 5, baseMs: 1_000, maxMs: 60_000, bisects: true };
const half = { next: () => 0.5 };

/** `retry <mode>` or `dead`. */
function shown(next: NextTry): string {
  return next.next === 'retry' ? `retry ${next.mode}` : 'dead';
}

const cases: readonly (readonly [AttemptFailureClass, Partial<PastEnds>, string])[] = [
  ['input', { input: 1 }, 'dead'],
  ['transient', { transient: 1 }, 'retry same'],
  ['transient', { transient: 4 }, 'retry same'],
  ['transient', { transient: 5 }, 'dead'],
  ['transient', { transient: 1, crash: 2 }, 'retry bisect'],
  ['transient', { transient: 1, crash: 2, bisected: true }, 'retry same'],
  ['resource', { resource: 1 }, 'retry less'],
  ['resource', { resource: 2 }, 'retry bisect'],
  ['resource', { resource: 3 }, 'dead'],
  ['resource', { resource: 2, bisected: true }, 'dead'],
  ['crash', { crash: 1 }, 'retry same'],
  ['crash', { crash: 2 }, 'retry bisect'],
  ['crash', { crash: 1, lost: 3 }, 'retry bisect'],
  ['crash', { crash: 1, lost: 2 }, 'retry same'],
  ['crash', { crash: 3, bisected: true }, 'dead'],
  ['lost', { lost: 1 }, 'retry same'],
  ['lost', { lost: 5 }, 'retry same'],
  ['lost', { lost: 6 }, 'retry bisect'],
  ['lost', { lost: 100, bisected: true }, 'retry same'],
  ['bug', { bug: 1 }, 'retry same'],
  ['bug', { bug: 2 }, 'dead'],
];

describe('the retry policy of partitions', () => {
  const whole = { ...policy, bisects: false };
  const tries = (failed: 'crash' | 'resource' | 'lost', count: number): string => shown(decideNextTry(failed, { ...none, [failed]: count }, whole, half));
  test('a crash is tried again, then with less, then dead', () => {
    assert.deepEqual(
      [1, 2, 3].map((count) => tries('crash', count)),
      ['retry same', 'retry less', 'dead'],
    );
  });
  test('too little memory is tried twice with less', () => {
    assert.deepEqual(
      [1, 2, 3].map((count) => tries('resource', count)),
      ['retry less', 'retry less', 'dead'],
    );
  });
  test('losses never bisect', () => assert.equal(tries('lost', 9), 'retry same'));
});

describe('the retry policy', () => {
  for (const [failed, past, expected] of cases) {
    test(`${failed} after ${JSON.stringify(past)}: ${expected}`, () =>
      assert.equal(shown(decideNextTry(failed, { ...none, ...past }, policy, half)), expected));
  }

  test('waits longer with each transient failure, with full jitter, up to a bound', () => {
    const delays = [1, 2, 3, 4].map((transient) => decideNextTry('transient', { ...none, transient }, policy, half));
    assert.deepEqual(
      delays.map((next) => (next.next === 'retry' ? next.delayMs : -1)),
      [500, 1_000, 2_000, 4_000],
    );
    const many = decideNextTry('transient', { ...none, transient: 19 }, { ...policy, maxAttempts: 20 }, { next: () => 0.999 });
    assert.ok(many.next === 'retry' && many.delayMs <= policy.maxMs);
  });
});
