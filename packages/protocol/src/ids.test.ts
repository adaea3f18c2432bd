import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { jobIdFromKey } from './derived-ids.ts';
import {
  chunkId,
  chunkTaskId,
  finishTaskId,
  type IdSource,
  intakeTaskId,
  isAttemptId,
  isId,
  isJobId,
  newAttemptId,
  newJobId,
  newRequestId,
  parseChunkId,
  parseTaskId,
  planTaskId,
  taskId,
} from './ids.ts';

const source = (nowMs: number, fill = 7): IdSource => ({ nowMs: () => nowMs, randomBytes: (count) => new Uint8Array(count).fill(fill) });
const job = jobIdFromKey('default', 'orders-1');

test('a job id is the same for a tenant and key on every machine and for ever', () => {
  assert.equal(job, 'jg7e5csrpvfbh92p9zs23k5fwgz');
  assert.equal(jobIdFromKey('default', 'orders-1'), job);
});

test('another tenant or key, however they are cut, gives another job', () => {
  const pairs: [string, string][] = [
    ['default', 'orders-2'],
    ['acme', 'orders-1'],
    ['default"', 'orders-1'],
    ['defaulto', 'rders-1'],
    ['default', 'orders-1 '],
  ];
  const ids = pairs.map(([tenant, key]) => jobIdFromKey(tenant, key));
  assert.equal(new Set([...ids, job]).size, pairs.length + 1);
});

test('every id has one letter and 26 characters', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.nat(255), (tenant, key, nowMs, fill) => {
      for (const id of [jobIdFromKey(tenant, key), newJobId(source(nowMs, fill)), newAttemptId(source(nowMs, fill)), newRequestId(source(nowMs, fill))]) {
        assert.equal(id.length, 27);
        assert.ok(isId(id));
      }
      assert.ok(isJobId(newJobId(source(nowMs, fill))) && isAttemptId(newAttemptId(source(nowMs, fill))));
    }),
  );
});

test('ids made later sort later', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.integer({ min: 1, max: 2 ** 40 }), (earlier, gap) => {
      assert.ok(newJobId(source(earlier, 255)) < newJobId(source(earlier + gap, 0)));
    }),
  );
});

test('a ULID in lower case comes out as its specification says', () => {
  assert.equal(newAttemptId({ nowMs: () => 1469918176385, randomBytes: () => new Uint8Array(10) }), 'a01aryz6s410000000000000000');
});

test('chunk and task ids are read back as they were written', () => {
  const dispatch = { generation: 2, epoch: 'e17', number: 3 };
  const chunk = chunkId(job, 'clean', 227);
  assert.equal(chunk, `${job}.clean.227`);
  assert.deepEqual(parseChunkId(chunk), { jobId: job, stage: 'clean', chunk: 227 });
  assert.equal(chunkTaskId(chunk, dispatch), `${job}.clean.227.2.e17-3`);
  for (const id of [chunkTaskId(chunk, dispatch), planTaskId(job, 4, dispatch), finishTaskId(job, dispatch), intakeTaskId(job, 'r-1')]) {
    assert.equal(taskId(parseTaskId(id)), id);
  }
  assert.deepEqual(parseTaskId(planTaskId(job, 4, dispatch)), { kind: 'plan', jobId: job, stage: 'plan', chunk: 4, ...dispatch });
  assert.deepEqual(parseTaskId(finishTaskId(job, dispatch)), { kind: 'finish', jobId: job, stage: 'finish', chunk: 0, ...dispatch });
  assert.deepEqual(parseTaskId(intakeTaskId(job, 'r-1')), { kind: 'intake', owner: job, id: 'r-1' });
});

test('texts that are no ids are refused', () => {
  const none = [
    '',
    job,
    `${job}.clean`,
    `${job}.clean.01.1.e-1`,
    `${job}.Clean.1.1.e-1`,
    `${job}.clean.1.0.e-1`,
    `${job}.clean.1.1.e:1-1`,
    `${job.toUpperCase()}.clean.1.1.e-1`,
    `${job}.clean.1.1.e-1\n`,
  ];
  for (const text of none) assert.throws(() => parseTaskId(text), TypeError, text);
  assert.throws(() => chunkId(job, 'Clean', 1), TypeError);
  assert.throws(() => chunkId(job, 'clean', -1), TypeError);
  assert.throws(() => parseChunkId(`${job}.clean.1.2`), TypeError);
});
