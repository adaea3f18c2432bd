import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAtLeast, logLevelOf, logLines } from './attempt-log.ts';
import type { FailureRecord } from './failure-record.ts';

const record = {
  jobId: 'j01kb0000000000000000000000',
  stage: 'clean',
  chunk: 7,
  attemptId: 'a01kb0000000000000000000000',
  generation: 1,
  worker: 'w-1',
  outcome: 'failed',
  code: 'CORE_CRASH',
  message: 'the core ended',
  causes: ['it ran out of stack'],
  exitCode: null,
  signal: 'SIGSEGV',
  stderrTail: 'thread main panicked\n\nat "Anna Costa"\n',
  endedAt: '2026-11-23T10:00:00.000Z',
} as unknown as FailureRecord;

test('an attempt is told by how it ended, its causes, and its last words line by line', () => {
  const lines = logLines(record, true);
  assert.deepEqual(
    lines.map(({ source, code, message }) => [source, code, message]),
    [
      ['attempt', 'CORE_CRASH', 'the core ended (signal SIGSEGV)'],
      ['attempt', null, 'caused by: it ran out of stack'],
      ['core', null, 'thread main panicked'],
      ['core', null, 'at "Anna Costa"'],
    ],
  );
  assert.ok(lines.every(({ chunkId, level }) => chunkId.endsWith('.clean.7') && level === 'error'));
});

test('without content the last words are counted and not told', () => {
  const lines = logLines(record, false);
  assert.doesNotMatch(JSON.stringify(lines), /Costa|panicked/);
  assert.match(lines.at(-1)?.message ?? '', /^38 characters/);
  assert.equal(logLines({ ...record, stderrTail: '' }, true).length, 2);
});

test('levels go from errors over losses to what nobody needs to worry about', () => {
  assert.deepEqual([logLevelOf('failed'), logLevelOf('lost'), logLevelOf('released')], ['error', 'warn', 'info']);
  assert.ok(isAtLeast('error', 'warn') && isAtLeast('warn', 'warn') && !isAtLeast('info', 'warn'));
});
