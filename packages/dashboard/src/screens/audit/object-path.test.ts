import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectPath } from './object-path.ts';

test('an object with a page leads there, and nothing else does', () => {
  const job = `j${'0'.repeat(26)}`;
  assert.equal(objectPath(`job:${job}`), `/jobs/${job}`);
  assert.equal(objectPath(`reject:${job}.clean.3.r7`), `/rejects/${job}.clean.3.r7`);
  for (const object of ['job:-', 'job:../../login', 'token:t1', 'nothing', 'job:', ':', 'operation:x y']) assert.equal(objectPath(object), null, object);
});
