import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptId, FailureRecord, JobId } from '@millrace/protocol';

import { failedAttempt } from './failures.ts';

const secret = 'a name from the data';

const record: FailureRecord = {
  record: 'failure',
  version: 1,
  jobId: `j${'0'.repeat(26)}` as JobId,
  stage: 'read',
  chunk: 0,
  generation: 1,
  attemptId: `a${'0'.repeat(26)}` as AttemptId,
  outcome: 'failed',
  class: 'crash',
  code: 'CORE_CRASH',
  message: 'the core ended by SIGSEGV',
  details: { place: { record: 7, sample: secret }, samples: [secret], list: [{ raw: secret, column: 'name' }], value: secret },
  causes: [],
  fingerprint: 'fp1-0',
  worker: 'w-1',
  pod: null,
  node: 'here',
  coreVersion: '1',
  startedAt: '2026-11-23T10:00:00.000Z',
  endedAt: '2026-11-23T10:00:01.000Z',
  range: null,
  bytesDone: 1,
  recordsDone: 1,
  position: null,
  exitCode: null,
  signal: 'SIGSEGV',
  peakRssBytes: null,
  stderrTail: `reading ${secret}`,
  backtrace: 'millrace_engine::run',
  mode: 'normal',
};

test('without content nothing that may hold data is shown, however deep it lies; places, columns and the stack stay', () => {
  const shown = failedAttempt(record, false);
  assert.ok(!JSON.stringify(shown).includes(secret));
  assert.deepEqual(shown.failure?.details, { place: { record: 7 }, list: [{ column: 'name' }] });
  assert.deepEqual([shown.failure?.stderrTail, shown.failure?.stderrTailCharacters], [null, `reading ${secret}`.length]);
  assert.equal(shown.failure?.backtrace, 'millrace_engine::run');
});

test('with content it is told as it was recorded', () => {
  const shown = failedAttempt(record, true);
  assert.deepEqual([shown.failure?.details, shown.failure?.stderrTail], [record.details, record.stderrTail]);
});
