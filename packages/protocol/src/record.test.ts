import assert from 'node:assert/strict';
import { test } from 'node:test';

import { canonicalJson, sha256Hex } from './canonical-json.ts';
import { jobIdFromKey } from './derived-ids.ts';
import { resolveJobSpec, specDigest } from './job-spec.ts';
import { encodeRecord, parseRecord, parseRecordOf, RecordError, type RecordOf } from './record.ts';

const jobId = jobIdFromKey('t', 'k');
const spec = resolveJobSpec({ name: 'tidy', inputs: 'file:///a.csv', output: { uri: 'file:///o/' }, labels: { z: 'é', a: '1' } });
const job: RecordOf<'job'> = {
  record: 'job',
  version: 1,
  jobId,
  tenant: 'default',
  name: 'tidy',
  idempotencyKey: null,
  acceptedAt: '2026-11-23T10:00:00.000Z',
  resultVersion: 1,
  specDigest: specDigest(spec),
  spec,
  stage: 'read',
  stages: [{ name: 'read', kind: 'map' }],
  lookups: [],
  inputs: [],
  inputFiles: 0,
  inputBytes: 0,
};
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

test('the spec stands in job.json literally as its digest was taken', () => {
  const text = textOf(encodeRecord('job', job));
  assert.ok(text.startsWith('{"record":"job","version":1,'));
  const slice = text.slice(text.indexOf('"spec":') + 7, text.indexOf(',"stage":'));
  assert.equal(slice, canonicalJson(spec));
  assert.equal(sha256Hex(slice), job.specDigest);
});

test('a record is read as it was written, and unknown fields are passed over', () => {
  assert.deepEqual(parseRecord('job', encodeRecord('job', job)), job);
  const newer = { ...JSON.parse(textOf(encodeRecord('job', job))), newerField: 1 };
  assert.deepEqual(parseRecord('job', Buffer.from(JSON.stringify(newer))), job);
});

test('a record that is broken names what is wrong', () => {
  const broken = { ...job, acceptedAt: 'yesterday', inputFiles: -1 };
  assert.throws(
    () => parseRecord('job', Buffer.from(JSON.stringify(broken))),
    (error) => error instanceof RecordError && /\/acceptedAt: .*\/inputFiles: /.test(error.message),
  );
  assert.throws(() => parseRecord('pins', encodeRecord('job', job)), /expected|says record: "job"/);
  assert.throws(() => parseRecord('job', Buffer.from('{')), /not JSON/);
  assert.throws(() => parseRecord('job', Buffer.from([0x22, 0xff, 0x22])), /not JSON in UTF-8/);
  assert.throws(() => encodeRecord('job', { ...job, specDigest: 'x' }), /cannot write a job record: \/specDigest/);
});

test('one of several kinds is read by what it says it is', () => {
  const end = encodeRecord('planEnd', { record: 'planEnd', version: 1, jobId, generation: 1, segments: 3 });
  assert.equal(parseRecordOf(['segment', 'planEnd'], end).record, 'planEnd');
  assert.throws(() => parseRecordOf(['segment', 'planEnd'], encodeRecord('job', job)), RecordError);
});
