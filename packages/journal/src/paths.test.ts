import assert from 'node:assert/strict';
import { test } from 'node:test';

import { jobIdFromKey } from '@millrace/protocol';

import * as paths from './paths.ts';

const job = jobIdFromKey('t', 'k');
const attempt = `a${'0'.repeat(26)}` as Parameters<typeof paths.failureKey>[3];

test('generation 1 keeps the plain names, later ones say their number', () => {
  assert.equal(paths.openMarkerKey(job, 1), `open/${job}`);
  assert.equal(paths.openMarkerKey(job, 2), `open/${job}.000002`);
  assert.equal(paths.segmentKey(job, 1, 3), `jobs/${job}/plan/000003.json`);
  assert.equal(paths.segmentKey(job, 2, 3), `jobs/${job}/plan/000002/000003.json`);
  assert.equal(paths.sealedKey(job, 2), `jobs/${job}/plan/000002/sealed.json`);
  assert.equal(paths.verdictKey(job, 'clean', 227, 1), `jobs/${job}/verdicts/clean/000227.json`);
  assert.equal(paths.verdictKey(job, 'clean', 227, 2), `jobs/${job}/verdicts/clean/000227.000002.json`);
  assert.equal(paths.deadLetterKey(job, 'clean', 227, 1), `jobs/${job}/dead/clean/000227.000001.json`);
  assert.equal(paths.manifestKey(job, 1), `jobs/${job}/manifests/000001.json`);
});

test('what a name says is read back, and other names are passed over', () => {
  for (const generation of [1, 2, 999_999]) {
    assert.deepEqual(paths.parseOpenMarkerKey(paths.openMarkerKey(job, generation)), { jobId: job, generation });
    assert.deepEqual(paths.parseChunkKey(paths.verdictKey(job, 'read', 1_234_567, generation)), { chunk: 1_234_567, generation });
  }
  assert.deepEqual(paths.parseFailureKey(paths.failureKey(job, 'read', 4, attempt)), { chunk: 4, attemptId: attempt });
  assert.equal(paths.parseNumberedKey(paths.commandKey(job, 12)), 12);
  assert.equal(paths.parseJobDir(`jobs/${job}/`), job);
  for (const key of ['open/', 'open/x', `open/${job}.tmp`]) assert.equal(paths.parseOpenMarkerKey(key), null);
  assert.equal(paths.parseNumberedKey(paths.sealedKey(job, 1)), null);
});
