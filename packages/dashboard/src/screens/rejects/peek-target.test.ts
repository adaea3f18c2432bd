import assert from 'node:assert/strict';
import { test } from 'node:test';
import { peekCommand, peekTarget, wholeNumber } from './peek-target.ts';

const job = 'j01kb0000000000000000000000';

test('an address names a reject, a record or a byte, in this order; without any nothing is asked for', () => {
  assert.deepEqual(peekTarget(job, { reject: `${job}.clean.1.r2`, at: '5' }), { kind: 'reject', rejectId: `${job}.clean.1.r2` });
  assert.deepEqual(peekTarget(job, { reject: 'clean.1.r2' }), { kind: 'reject', rejectId: `${job}.clean.1.r2` });
  assert.deepEqual(peekTarget(job, { file: '3', record: '1,204', at: '5' }), { kind: 'record', file: '3', record: '1204' });
  assert.deepEqual(peekTarget(job, { at: '0' }), { kind: 'byte', file: '0', byte: '0' });
  assert.equal(peekTarget(job, {}), null);
});

test('what is no number asks for nothing, and records begin at one', () => {
  assert.equal(peekTarget(job, { record: '0' }), null);
  assert.equal(peekTarget(job, { at: '-1' }), null);
  assert.equal(peekTarget(job, { record: 'x', at: '7' })?.kind, 'byte');
  assert.equal(wholeNumber('99999999999999999999'), null);
  assert.equal(wholeNumber(''), null);
  assert.equal(wholeNumber('007'), '7');
});

test('the command looks at the same place', () => {
  assert.equal(peekCommand(job, { kind: 'byte', file: '1', byte: '42' }), `millrace peek ${job} --at 42 --file 1`);
  assert.equal(peekCommand(job, { kind: 'reject', rejectId: `${job}.clean.1.r2` }), `millrace peek ${job} --reject clean.1.r2`);
});
