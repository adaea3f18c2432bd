import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CoreGoneError } from '@millrace/core-client';
import { failureCodes } from '@millrace/protocol';
import type { Failed } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';
import { classifyCode, classifyFailed, classifyThrown, isObeyedStop } from './classify.ts';

const failed = (changes: Partial<Failed>): Failed => ({
  type: 'Failed',
  code: 'STORAGE_TIMEOUT',
  class: 'transient',
  message: 'no answer',
  details: '{"bucket":"lake"}',
  causes: ['timed out'],
  position: { file: 3, record: 7, line: 9, byte: 120 },
  bytesDone: 100,
  recordsDone: 6,
  peakRssBytes: 1 << 20,
  retryAfterMs: null,
  backtrace: null,
  ...changes,
});

describe('what a failure means', () => {
  it('keeps everything that the core says', () => {
    const { code, class: failureClass, message, details, causes, position, bytesDone, recordsDone, peakRssBytes } = classifyFailed(failed({}));
    assert.deepEqual(
      [code, failureClass, message, causes, bytesDone, recordsDone, peakRssBytes],
      ['STORAGE_TIMEOUT', 'transient', 'no answer', ['timed out'], 100, 6, 1 << 20],
    );
    assert.deepEqual(details, { bucket: 'lake' });
    assert.deepEqual(position, { file: 3, record: 7, line: 9, byte: 120 });
  });

  it('goes by the code, not by the class that the core names', () => {
    assert.equal(classifyFailed(failed({ code: 'INPUT_CHANGED', class: 'transient' })).class, 'input');
    assert.equal(classifyFailed(failed({ code: 'MADE_UP_BY_A_NEWER_CORE' })).class, 'bug');
    // A record's code that ends a whole attempt breaks an invariant.
    assert.equal(classifyFailed(failed({ code: 'TYPE_NUMBER' })).class, 'bug');
  });

  it('does not trust the details to be JSON', () => {
    for (const details of ['', '{', '[1]', 'null', '7']) assert.deepEqual(classifyFailed(failed({ details })).details, {});
  });

  it('takes exit code, signal and stderr of a core that is gone', () => {
    const end = { exitCode: null, signal: 'SIGSEGV', killedFor: null, stderrTail: 'last words' } as const;
    const gone = classifyThrown(new CoreGoneError('CORE_CRASH', 'the core ended by SIGSEGV', end));
    assert.deepEqual([gone.code, gone.class, gone.signal, gone.exitCode, gone.stderrTail], ['CORE_CRASH', 'crash', 'SIGSEGV', null, 'last words']);
    assert.equal(classifyThrown(new CoreGoneError('CORE_START', 'no such file', { ...end, signal: null })).class, 'transient');
    assert.equal(classifyThrown(new CoreGoneError('CORE_MEMORY', 'killed', { ...end, signal: 'SIGKILL' })).class, 'resource');
  });

  it('calls an error of our own by its code, Redis by its name, and the rest a bug', () => {
    assert.equal(classifyThrown(new AppError('STORAGE_FULL', 'no space')).class, 'resource');
    const redis = Object.assign(new Error('READONLY You cannot write against a read only replica.'), { name: 'ReplyError' });
    assert.deepEqual([classifyThrown(redis).code, classifyThrown(redis).class], ['REDIS_UNAVAILABLE', 'transient']);
    assert.equal(classifyThrown(new Error('Connection is closed.')).code, 'REDIS_UNAVAILABLE');
    const bug = classifyThrown(new TypeError('x is undefined'));
    assert.deepEqual([bug.code, bug.class], ['CORE_PANIC', 'bug']);
    assert.match(bug.backtrace ?? '', /classify\.test/);
    assert.equal(classifyThrown('a string').class, 'bug');
  });

  it('gives every code of an attempt the class of the list', () => {
    for (const [code, info] of Object.entries(failureCodes)) {
      const found = classifyCode(code as keyof typeof failureCodes, '').class;
      assert.equal(found, info.class === null || info.class === 'data' ? 'bug' : info.class);
    }
  });
});

describe('isObeyedStop', () => {
  it('takes a core by its word that it was stopped, if somebody asked it to', () => {
    assert.ok(isObeyedStop({ code: 'CANCELLED' }, 'drain'));
    assert.ok(!isObeyedStop({ code: 'CANCELLED' }, null));
    assert.ok(!isObeyedStop({ code: 'STORAGE_UNAVAILABLE' }, 'drain'));
  });
});
