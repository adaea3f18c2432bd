import assert from 'node:assert/strict';
import { test } from 'node:test';

import { jobIdFromKey } from './derived-ids.ts';
import { parseRequest } from './request.ts';

const head = { requestId: `q${'0'.repeat(26)}`, tenant: 'default', by: 'tester', jobId: jobIdFromKey('default', 'k') };

test('requests of each kind are read', () => {
  assert.equal(parseRequest({ kind: 'submit', ...head, idempotencyKey: 'k', spec: {} }).kind, 'submit');
  assert.equal(parseRequest({ kind: 'command', ...head, command: 'pause', reason: '' }).kind, 'command');
  assert.equal(parseRequest({ kind: 'status', ...head }).kind, 'status');
  assert.deepEqual(parseRequest({ kind: 'redrive', ...head, select: ['read.4'], reason: 'fixed' }), {
    kind: 'redrive',
    ...head,
    select: ['read.4'],
    reason: 'fixed',
    spec: null,
  });
});

test('what is no request is refused with what is wrong', () => {
  assert.throws(() => parseRequest({ kind: 'submit', ...head, jobId: 'x', idempotencyKey: '', spec: {} }), /\/jobId: expected a job id/);
  assert.throws(() => parseRequest({ kind: 'explode', ...head }), TypeError);
  assert.throws(() => parseRequest({ kind: 'command', ...head, command: 'redrive', reason: '' }), TypeError);
  assert.throws(() => parseRequest(null), TypeError);
});
