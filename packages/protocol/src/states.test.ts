import assert from 'node:assert/strict';
import { test } from 'node:test';

import { canMoveChunk, chunkMoves, chunkStates, isChunkDone } from './chunk.ts';
import { canMoveJob, isTerminalJobState, jobMoves, jobStates } from './job.ts';
import { parseQueueName, workQueueName } from './task.ts';

test('every job reaches an end from every state, and leaves it only as the next generation', () => {
  for (const state of jobStates) {
    if (isTerminalJobState(state))
      assert.deepEqual(
        jobMoves[state].filter((to) => !['planning', 'running'].includes(to)),
        [],
      );
    else assert.ok(canMoveJob(state, 'cancelled') && canMoveJob(state, 'failed'), state);
  }
  assert.ok(!canMoveJob('completed', 'failed'));
  assert.ok(canMoveJob('finishing', 'running'));
});

test('a receipt outranks every state of a chunk, and nothing leads out of committed', () => {
  assert.deepEqual(chunkMoves.committed, []);
  for (const state of chunkStates) assert.equal(canMoveChunk(state, 'committed'), state !== 'committed', state);
  assert.deepEqual(chunkStates.filter(isChunkDone), ['committed', 'dead', 'cancelled']);
});

test('queue names are read as they were written', () => {
  assert.equal(workQueueName('chunk', 'big-pool', 3), 'chunk-big-pool-r3');
  assert.deepEqual(parseQueueName('chunk-big-pool-r3'), { kind: 'chunk', pool: 'big-pool', resultVersion: 3 });
  assert.deepEqual(parseQueueName('intake'), { kind: 'intake' });
  for (const text of ['', 'chunk', 'chunk-x', 'reduce-x-r1', 'chunk-X-r1']) assert.throws(() => parseQueueName(text), TypeError);
});
