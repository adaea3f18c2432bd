import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newBits, rangesOf } from './chunk-source.ts';

test('bits that are set now and were not before, also behind the end of what was known', () => {
  assert.deepEqual([...newBits(Uint8Array.of(0b1000_0001), Uint8Array.of(0b1010_0001, 0b0000_0001))], [2, 15]);
  assert.deepEqual([...newBits(Uint8Array.of(0xff), Uint8Array.of(0x0f))], [], 'a bit that was cleared is none');
  assert.deepEqual([...newBits(new Uint8Array(), new Uint8Array())], []);
  const many = new Uint8Array(125_000).fill(0xff);
  let count = 0;
  for (const _ of newBits(new Uint8Array(125_000), many)) count++;
  assert.equal(count, 1_000_000);
});

test('chunks that follow one another are a range, each stage and state for itself', () => {
  const at = (index: number, state = 'committed', stage = 'read') => ({ stage, index, state });
  assert.deepEqual(rangesOf([at(3), at(1), at(2), at(7), at(4, 'dead'), at(5, 'committed', 'sum')]), [
    { stage: 'read', first: 1, last: 3, state: 'committed' },
    { stage: 'read', first: 7, last: 7, state: 'committed' },
    { stage: 'read', first: 4, last: 4, state: 'dead' },
    { stage: 'sum', first: 5, last: 5, state: 'committed' },
  ]);
});
