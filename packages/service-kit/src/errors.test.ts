import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AppError, describeError } from './errors.ts';

test('an error is told with code, details and the messages of its causes', () => {
  const error = new AppError('STORAGE_TIMEOUT', 'cannot read x: no answer', { details: { key: 'x' }, cause: new Error('reset', { cause: 'ECONNRESET' }) });
  const { stack, ...told } = describeError(error);
  assert.deepEqual(told, {
    type: 'AppError',
    code: 'STORAGE_TIMEOUT',
    message: 'cannot read x: no answer',
    details: { key: 'x' },
    causes: ['reset', 'ECONNRESET'],
  });
  assert.ok(stack?.includes('errors.test.ts'));
});

test('what is no error, and causes in a ring, are told too', () => {
  assert.deepEqual(describeError('boom'), { type: 'string', code: null, message: 'boom', details: {}, causes: [], stack: null });
  const ring = new Error('a');
  ring.cause = new Error('b', { cause: ring });
  assert.equal(describeError(ring).causes.length, 16);
  assert.equal(describeError(Object.assign(new Error('x'), { code: 'ENOENT' })).code, null);
});
