import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChunkId } from '@millrace/protocol';
import { CrashStreak } from './crash-streak.ts';

async function suspicions(ends: string): Promise<string[]> {
  const found: string[] = [];
  const streak = new CrashStreak(async (chunks) => void found.push(chunks.join('')));
  for (const end of ends) {
    if (end === '.') streak.committed();
    else await streak.crashed(end as ChunkId);
  }
  return found;
}

test('three different chunks in a row are the fault of the host', async () => assert.deepEqual(await suspicions('abc'), ['abc']));
test('one chunk that dies again and again is poison', async () => assert.deepEqual(await suspicions('aaaaabab'), []));
test('a commit in between clears the host', async () => assert.deepEqual(await suspicions('ab.cd.ab'), []));
test('a streak is told once, then counted anew', async () => assert.deepEqual(await suspicions('abcabdef'), ['abc', 'abd']));
test('it remembers what has killed a core here, the newest thousand', async () => {
  const streak = new CrashStreak(async () => {});
  for (let at = 0; at <= 1_000; at++) await streak.crashed(`c${at}` as ChunkId);
  streak.committed();
  assert.deepEqual(
    ['c0', 'c1', 'c1000', 'other'].map((chunk) => streak.hasCrashedOn(chunk as ChunkId)),
    [false, true, true, false],
  );
});
