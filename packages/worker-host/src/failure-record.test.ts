import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AttemptId, encodeRecord, jobIdFromKey, parseRecord, type TaskId } from '@millrace/protocol';
import { classifyCode, classifyThrown } from './classify.ts';
import { type AttemptPlace, failureRecord, fingerprintOfFailure, lostFailure } from './failure-record.ts';

const jobId = jobIdFromKey('default', 'failure-record');
const attemptId = 'a01kb7m2q9x00000000000000a'.padEnd(27, '0') as AttemptId;
const place: AttemptPlace = {
  jobId,
  jobName: 'orders',
  inputName: 'input',
  stage: 'clean',
  chunk: 5,
  generation: 2,
  range: { uri: 'file:///in/a.csv', etag: 'e1', start: 10, end: 90 },
  fileUri: 'file:///in/a.csv',
  mode: 'less',
};
const times = { attemptId, startedAt: '2026-11-23T10:00:00.000Z', endedAt: '2026-11-23T10:00:05.000Z' };
const host = { worker: 'w-1', pod: null, node: 'here', coreVersion: '0.1.0' };

describe('failureRecord', () => {
  it('holds all that is known and is a record that the journal reads', () => {
    const failure = { ...classifyCode('CORE_MEMORY', 'out of memory'), position: { file: 0, record: 3, line: 4, byte: 33 }, peakRssBytes: 7 };
    const record = failureRecord(failure, place, times, host, { bytesDone: 20, recordsDone: 2 });
    assert.deepEqual(parseRecord('failure', encodeRecord('failure', record)), record);
    assert.deepEqual(
      [record.class, record.code, record.generation, record.mode, record.worker, record.node],
      ['resource', 'CORE_MEMORY', 2, 'less', 'w-1', 'here'],
    );
    assert.deepEqual(record.position, { file: 0, uri: 'file:///in/a.csv', record: 3, line: 4, byte: 33 });
    assert.deepEqual([record.bytesDone, record.recordsDone, record.peakRssBytes], [20, 2, 7]);
    assert.deepEqual(record.range, place.range);
  });

  it('prefers what the core says of its progress', () => {
    const failure = { ...classifyCode('CORE_MEMORY', ''), bytesDone: 50, recordsDone: 5 };
    const record = failureRecord(failure, place, times, host, { bytesDone: 20, recordsDone: 2 });
    assert.deepEqual([record.bytesDone, record.recordsDone], [50, 5]);
  });

  it('tells of a lost attempt who it was and how far it had come', () => {
    const previous = {
      attemptId,
      taskId: 't' as TaskId,
      worker: 'w-gone',
      pod: null,
      node: 'there',
      startedAt: times.startedAt,
      bytesDone: 40,
      recordsDone: 4,
      mode: 'normal',
    } as const;
    const record = failureRecord(lostFailure(previous), place, times, host, previous, 'lost');
    assert.deepEqual([record.outcome, record.class, record.code, record.bytesDone, record.recordsDone], ['lost', 'lost', 'LEASE_EXPIRED', 40, 4]);
    assert.match(record.message, /w-gone/);
  });
});

describe('fingerprints', () => {
  const print = (failure: Parameters<typeof fingerprintOfFailure>[0], at: Partial<AttemptPlace> = {}) => fingerprintOfFailure(failure, { ...place, ...at });

  it('are the same for one cause, whatever the chunk, message or time', () => {
    assert.equal(print(classifyCode('INPUT_NOT_FOUND', 'a is gone')), print(classifyCode('INPUT_NOT_FOUND', 'b is gone'), { chunk: 9, generation: 3 }));
    assert.match(print(classifyCode('INPUT_NOT_FOUND', '')), /^fp1-[0-9a-f]{16}$/);
  });

  it('differ by job for input, not for storage or losses', () => {
    assert.notEqual(print(classifyCode('INPUT_NOT_FOUND', '')), print(classifyCode('INPUT_NOT_FOUND', ''), { jobName: 'other' }));
    for (const code of ['STORAGE_TIMEOUT', 'LEASE_LOST'] as const)
      assert.equal(print(classifyCode(code, '')), print(classifyCode(code, ''), { jobName: 'other' }));
  });

  it('go by our own frames where there is a backtrace', () => {
    const at = (line: string) => ({
      ...classifyThrown(new TypeError('x')),
      backtrace: `0: std::panicking\n1: millrace_engine::process::run at process.rs:${line}\n`,
    });
    assert.equal(print(at('12')), print(at('99')));
    assert.notEqual(print(at('12')), print({ ...at('12'), backtrace: '1: millrace_engine::plan::run at plan.rs:1' }));
  });
});
