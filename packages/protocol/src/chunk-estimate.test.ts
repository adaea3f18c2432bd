import assert from 'node:assert/strict';
import { test } from 'node:test';
import { estimatedChunks, tooManyChunks } from './chunk-estimate.ts';
import { maxChunksPerJob } from './limits.ts';

test('chunks are counted by bytes, and more than a job may have are refused with what helps', () => {
  assert.deepEqual([estimatedChunks(0, 64), estimatedChunks(1, 64), estimatedChunks(128, 64), estimatedChunks(129, 64)], [0, 1, 2, 3]);
  assert.equal(tooManyChunks(maxChunksPerJob * 65_536, 65_536), null);
  assert.match(tooManyChunks(maxChunksPerJob * 65_536 + 1, 65_536) ?? '', /at most 1000000 chunks.*got about 1000001 of 64KiB.*chunkSize/);
});
