import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace, windowSize } from './window.ts';

test('the window grows with slots, and with the pace of tiny chunks up to a bound', () => {
  assert.deepEqual(
    [windowSize(0, 0), windowSize(8, 0), windowSize(8, 2), windowSize(8, 100), windowSize(8, 5_000), windowSize(900, 0)],
    [4, 16, 16, 500, 1_000, 1_800],
  );
});

test('the pace follows what ends, and forgets', () => {
  const pace = new Pace();
  const at = (committed: number): { jobId: string; chunks: { committed: number; dead: number } }[] => [{ jobId: 'j', chunks: { committed, dead: 0 } }];
  for (let round = 0; round <= 50; round++) pace.note(at(round * 10), round * 100);
  assert.ok(Math.abs(pace.perSecond - 100) < 2, String(pace.perSecond));
  for (let round = 51; round <= 150; round++) pace.note(at(500), round * 100);
  assert.ok(pace.perSecond < 1);
  pace.note([{ jobId: 'new', chunks: { committed: 1_000, dead: 0 } }], 16_000);
  assert.ok(pace.perSecond < 1, 'what a job had before it was seen did not end now');
});
