import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditRecord } from '@millrace/protocol';
import { recordsAct } from './recorded-act.ts';

const nowMs = Date.parse('2026-11-23T10:00:00Z');
const record = (changes: Partial<AuditRecord>): AuditRecord => ({
  record: 'audit',
  version: 1,
  auditId: `e${'0'.repeat(26)}`,
  at: '2026-11-23T09:59:59Z',
  follows: null,
  by: 'user:ada',
  role: 'operator',
  tenant: null,
  from: '127.0.0.1',
  requestId: null,
  act: 'job.cancel',
  object: 'job:j1',
  before: null,
  after: null,
  outcome: null,
  code: null,
  reason: '',
  previous: null,
  ...changes,
});
const asks = (act: string, object: string) => ({ act, object, reason: '' });
const request = { by: 'user:ada', tenant: 'acme' };

test('an act over HTTP is known by its first record', () => {
  for (const [changes, asked] of [
    [{}, asks('job.cancel', 'job:j1')],
    [{ tenant: 'acme' }, asks('job.cancel', 'job:j1')],
    [{ act: 'chunk.retryNow', object: 'chunk:j1/read/4' }, asks('chunk.retryNow', 'chunk:j1.read.4')],
    [{ act: 'operation.steer', object: 'operation:o1' }, asks('operation.pause', 'operation:o1')],
    [{ act: 'errors.resolve', object: 'errors:f1' }, asks('errors.resolved', 'error:f1')],
    [{ act: 'schedule.pause', object: 'schedule:nightly' }, asks('schedule.pause', 'schedule:acme.nightly')],
    [{ act: 'redrive.start', object: 'redrive:p1' }, asks('redrive.start', 'plan:p1')],
    [{ act: 'waiver.start', object: 'waiver:p1' }, asks('redrive.start', 'plan:p1')],
  ] as const) {
    assert.ok(recordsAct(record(changes), request, asked, nowMs), JSON.stringify([changes, asked]));
  }
});

test('a record of anything else covers nothing', () => {
  const asked = asks('job.cancel', 'job:j1');
  for (const changes of [
    { by: 'user:eve' },
    { role: null },
    { tenant: 'other' },
    { at: '2026-11-23T09:49:00Z' },
    { outcome: 'done' },
    { act: 'job.pause' },
    { act: 'errors.resolve' },
    { object: 'job:j2' },
  ] as const) {
    assert.ok(!recordsAct(record(changes), request, asked, nowMs), JSON.stringify(changes));
  }
});
