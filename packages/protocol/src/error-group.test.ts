import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptDifferences, attemptsNewestFirst } from './attempts.ts';
import { jobIdFromKey } from './derived-ids.ts';
import { errorGroups, filterGroups, foldFailures } from './error-group.ts';
import type { FailureRecord } from './failure-record.ts';
import { newAttemptId, openedAtOf } from './ids.ts';
import { groupState, type Triage } from './triage.ts';

const at = (second: number): string => `2026-11-23T10:00:${String(second).padStart(2, '0')}.000Z`;
const nowMs = Date.parse(at(59));
const job = { jobId: jobIdFromKey('t', 'k'), name: 'orders' };
const failure = (fingerprint: string, second: number, isLetter = false) => ({
  fingerprint,
  code: 'X',
  class: 'input',
  message: `m${second}`,
  at: at(second),
  sample: `s${second}`,
  place: { uri: 'file:///a.csv', start: second, end: second + 1 },
  isLetter,
});

test('failures of one cause are one group over all jobs, the newest first', () => {
  const other = { jobId: jobIdFromKey('t', 'l'), name: 'invoices' };
  const parts = [...foldFailures(job, [failure('a', 1), failure('b', 2), failure('a', 9), failure('a', 9, true)]), ...foldFailures(other, [failure('a', 30)])];
  const groups = errorGroups(parts, new Map(), nowMs);
  assert.deepEqual(
    groups.map(({ fingerprint, failures, dead, firstSeenAt, lastSeenAt, message }) => [fingerprint, failures, dead, firstSeenAt, lastSeenAt, message]),
    [
      ['a', 3, 1, at(1), at(30), 'm30'],
      ['b', 1, 0, at(2), at(2), 'm2'],
    ],
  );
  assert.deepEqual(
    groups[0]?.jobs.map(({ name, failures }) => [name, failures]),
    [
      ['orders', 2],
      ['invoices', 1],
    ],
  );
  assert.deepEqual(groups[0]?.activity, [{ hour: '2026-11-23T10', failures: 3 }], 'a dead letter is no failure of its own');
  assert.deepEqual(filterGroups(groups, 'name:invoices age:<1m failures:>2 file:a.csv', nowMs).length, 1);
  assert.deepEqual(
    filterGroups(groups, 'dead:0', nowMs).map(({ fingerprint }) => fingerprint),
    ['b'],
  );
});

test('what people decided holds until it is seen again, or its time or count is over', () => {
  const untold = { tenant: 't', fingerprint: 'a', note: '', by: 'test', owner: null, notes: [] };
  const triage = (changes: Partial<Triage>): Triage => ({ ...untold, state: 'ignored', at: at(10), until: null, ...changes });
  const seen = (failures: number, second: number) => ({ failures, lastSeenAt: at(second) });
  assert.equal(groupState(null, seen(1, 1), nowMs), 'open');
  assert.equal(groupState(triage({ state: 'resolved' }), seen(1, 10), nowMs), 'resolved');
  assert.equal(groupState(triage({ state: 'resolved' }), seen(1, 11), nowMs), 'regressed');
  assert.equal(groupState(triage({}), seen(1_000, 50), nowMs), 'ignored');
  assert.equal(groupState(triage({ until: { at: at(58), failures: null } }), seen(1, 1), nowMs), 'open');
  assert.equal(groupState(triage({ until: { at: null, failures: 5 } }), seen(4, 1), nowMs), 'ignored');
  assert.equal(groupState(triage({ until: { at: null, failures: 5 } }), seen(5, 1), nowMs), 'open');
});

function record(generation: number, second: number, changes: Partial<FailureRecord> = {}): FailureRecord {
  const none = { range: null, position: null, exitCode: null, signal: null, peakRssBytes: null, stderrTail: null, backtrace: null, pod: null, node: 'n' };
  const attemptId = newAttemptId({ nowMs: () => second, randomBytes: (count) => new Uint8Array(count).fill(second) });
  const what = { outcome: 'failed', class: 'crash', code: 'CORE_CRASH', message: 'm', details: {}, fingerprint: 'fp1-1', mode: 'normal' } as const;
  const times = { startedAt: at(second), endedAt: at(second + 1), bytesDone: 0, recordsDone: 0 };
  const head = { record: 'failure', version: 1, jobId: job.jobId, stage: 'read', chunk: 0, generation, attemptId } as const;
  return { ...head, ...what, causes: [], ...none, ...times, worker: 'w-1', coreVersion: '0.1.0', ...changes };
}

test('attempts come newest first, a commit before the failures of its generation', () => {
  const attemptId = newAttemptId({ nowMs: () => Date.parse(at(6)), randomBytes: (count) => new Uint8Array(count).fill(255) });
  const views = attemptsNewestFirst([record(1, 1), record(2, 5), record(1, 3)], [{ attemptId, generation: 2 }]);
  assert.deepEqual([views[0]?.startedAt, openedAtOf('a')], [at(6), null], 'its id says when it was opened');
  assert.deepEqual(
    views.map(({ generation, outcome, endedAt }) => [generation, outcome, endedAt]),
    [
      [2, 'committed', null],
      [2, 'failed', at(6)],
      [1, 'failed', at(4)],
      [1, 'failed', at(2)],
    ],
  );
});

test('two attempts differ in what says something', () => {
  const found = attemptDifferences(record(1, 1), record(1, 9, { worker: 'w-2', signal: 'SIGKILL', endedAt: at(20), details: { limit: 5 } }));
  assert.deepEqual(
    found.map(({ pointer, first, now }) => [pointer, first, now]),
    [
      ['/details/limit', undefined, 5],
      ['/signal', null, 'SIGKILL'],
      ['/worker', 'w-1', 'w-2'],
      ['/durationMs', 1_000, 11_000],
    ],
  );
});
