import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptRow } from '@millrace/api-contract';
import { attemptSentence, compareAttempts, ownFramesFirst } from './attempt-difference.ts';

const failed = (worker: string, message: string): AttemptRow => ({
  attemptId: 'a01kbxq3v9mzzzzzzzzzzzz8t2c' as AttemptRow['attemptId'],
  generation: 1,
  outcome: 'failed',
  mode: 'normal',
  worker,
  pod: null,
  node: null,
  coreVersion: '0.1.0',
  startedAt: '2026-11-23T14:00:00Z',
  endedAt: '2026-11-23T14:00:30Z',
  bytesDone: null,
  recordsDone: null,
  failure: {
    class: 'transient',
    code: 'STORAGE_TIMEOUT',
    message,
    hint: '',
    causes: [],
    details: {},
    fingerprint: 'fp1-0',
    range: null,
    position: null,
    exitCode: null,
    signal: null,
    peakRssBytes: null,
    stderrTail: null,
    stderrTailCharacters: 0,
    backtrace: null,
  },
});
const format = { instant: (at: string) => at, bytes: String, duration: String };

test('what two attempts differ in is marked, what neither has is left out', () => {
  const lines = compareAttempts(failed('w-1', 'no answer'), failed('w-2', 'no answer'), format);
  assert.deepEqual(
    lines.filter(({ differs }) => differs).map(({ name, one, other }) => [name, one, other]),
    [['host', 'w-1', 'w-2']],
  );
  assert.ok(!lines.some(({ name }) => name === 'pod'));
  assert.deepEqual(lines.find(({ name }) => name === 'took')?.one, '30000');
});

test('an attempt that ended says what happened in its own words', () => {
  assert.equal(attemptSentence(failed('w-1', 'no answer in 30 s')), 'no answer in 30 s');
  assert.match(attemptSentence({ ...failed('w-1', ''), outcome: 'released', failure: null }), /^Host w-1 handed the chunk back/);
});

test('own frames of a stack come first', () => {
  assert.equal(ownFramesFirst('0: std::panic\n   at a\n1: millrace_core::read\n   at b'), '1: millrace_core::read\n   at b\n0: std::panic\n   at a');
});
