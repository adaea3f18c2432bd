import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { filePath, fileUri, resolvePlace } from './places.ts';

test('every path comes back from its URI, and the URI is printable ASCII', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
      (name) => {
        const path = `/${name}`;
        assert.equal(filePath(fileUri(path)), path);
        assert.match(fileUri(path), /^file:\/\/\/[\x20-\x7e]*$/);
      },
    ),
  );
});

test('a resolved place stays as it is', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
      fc.constantFrom('input', 'output'),
      (name, use) => {
        const once = resolvePlace(`file:///${name}`, use, null);
        if ('uri' in once) assert.deepEqual(resolvePlace(once.uri, use, null), once);
      },
    ),
  );
});

test('marks of a pattern and their escapes stay apart', () => {
  assert.deepEqual(resolvePlace('file:///a%2A*%5Bx%5D[y].csv', 'input', null), { uri: 'file:///a%2A*%5Bx%5D[y].csv' });
  assert.deepEqual(resolvePlace('file:///a%2Ab c', 'output', null), { uri: 'file:///a*b c' });
  assert.equal(filePath('file:///a%2A*%5Bx%5D[y].csv'), '/a**[x][y].csv');
});
