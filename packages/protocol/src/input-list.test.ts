import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInputList } from './input-list.ts';

const sha256 = 'ab'.repeat(32);

test('URIs and objects, with their lines; blank lines and a byte order mark do not count', () => {
  const text = `\uFEFFfile:///a/1.csv\r\n\n  file:///a/2*.csv  \n{"uri":"file:///b","etag":"e","sha256":"${sha256}","records":7}`;
  const none = { etag: null, sha256: null, records: null };
  assert.deepEqual(parseInputList(text), {
    files: [
      { uri: 'file:///a/1.csv', ...none, line: 1 },
      { uri: 'file:///a/2*.csv', ...none, line: 3 },
      { uri: 'file:///b', etag: 'e', sha256, records: 7, line: 4 },
    ],
  });
  assert.deepEqual(parseInputList(''), { files: [] });
});

for (const [name, line, message] of [
  ['a plain path', 'a/1.csv', /expected a URI/],
  ['an unknown scheme', 'ftp://h/a', /expected one of/],
  ['broken JSON', '{"uri":', /JSON/],
  ['an unknown field', '{"uri":"file:///a","size":1}', /size/],
  ['a digest of another kind', '{"uri":"file:///a","sha256":"xyz"}', /^sha256/],
  ['a user in the URI', 's3://me:secret@b/a', /without user info/],
] as const) {
  test(`${name} is named with its line`, () => {
    const found = parseInputList(`file:///ok\n${line}\n`);
    assert.ok('line' in found && found.line === 2);
    assert.match(found.message, message);
    assert.ok(!found.message.includes('me:secret'));
  });
}
