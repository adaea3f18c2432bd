import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { Cursors } from './cursors.ts';
import { ApiProblem } from './problem.ts';

const key = Buffer.alloc(32, 7);
const shape = z.tuple([z.string(), z.int()]);
let nowMs = 1_000_000;
const cursors = new Cursors(key, () => nowMs);
const isInvalid = (error: unknown): boolean => error instanceof ApiProblem && error.code === 'CURSOR_INVALID';

test('a cursor leads back to where it was written', () => {
  assert.deepEqual(cursors.read('jobs state:failed', cursors.write('jobs state:failed', ['a', 7]), shape), ['a', 7]);
});

test('a cursor of another list, filter, key, version or day is refused, and so is one that was changed anywhere', () => {
  const cursor = cursors.write('jobs', ['a', 7]);
  assert.throws(() => cursors.read('tokens', cursor, shape), isInvalid);
  assert.throws(() => new Cursors(Buffer.alloc(32, 8), () => nowMs).read('jobs', cursor, shape), isInvalid);
  assert.throws(() => cursors.read('jobs', cursor, z.string()), isInvalid);
  for (const text of ['', 'x', '!!!', cursor.slice(0, 20), cursor.slice(0, -4)]) assert.throws(() => cursors.read('jobs', text, shape), isInvalid, text);
  const bytes = Buffer.from(cursor, 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => cursors.read('jobs', changed.toString('base64url'), shape), isInvalid, `byte ${at}`);
  }
  nowMs += 24 * 3_600_000 + 1_000;
  assert.throws(() => cursors.read('jobs', cursor, shape), isInvalid);
});
