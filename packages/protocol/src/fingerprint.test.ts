import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fingerprint, fingerprintOf, withoutParameters } from './fingerprint.ts';

const job = { jobName: 'orders', stage: 'read' };

test('a fingerprint is the version of the rule and 16 hex digits', () => {
  assert.equal(fingerprint('CORE_CRASH', ['main']), 'fp1-7168ad94a8cae8df');
});

test('what differs between occurrences does not count, what tells causes apart does', () => {
  const crash = (frame: string) => fingerprintOf('CORE_PANIC', 'bug', { ...job, frames: [frame, 'b at b.rs:4'] });
  assert.equal(crash('a at a.rs:12:9'), crash('a at a.rs:99:1'));
  assert.notEqual(crash('a at a.rs:12'), crash('c at a.rs:12'));
  assert.equal(
    fingerprintOf('TYPE_DATE', 'data', { ...job, column: 'a', message: 'x' }),
    fingerprintOf('TYPE_DATE', 'data', { ...job, column: 'a', message: 'y' }),
  );
  assert.notEqual(fingerprintOf('TYPE_DATE', 'data', { ...job, column: 'a' }), fingerprintOf('TYPE_DATE', 'data', { ...job, column: 'b' }));
  assert.notEqual(fingerprintOf('LEASE_LOST', 'lost', { ...job, reason: 'fenced' }), fingerprintOf('LEASE_LOST', 'lost', { ...job, reason: 'killed' }));
});

test('parameters are taken out of messages', () => {
  const message =
    'cannot read https://host/a?b: 10.0.0.1:6379 said "no" to jane@example.org after 12.5 ms at 2026-11-23T10:00:00.000Z, 17 of 0xff, 1.5, 550e8400-e29b-41d4-a716-446655440000';
  assert.equal(withoutParameters(message), 'cannot read <url> <ip> said <text> to <email> after <duration> at <date>, <integer> of <hex>, <float>, <uuid>');
});
