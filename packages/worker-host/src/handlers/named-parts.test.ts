import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NamedParts } from './named-parts.ts';

describe('NamedParts', () => {
  it('knows what was added with its size, and nothing else', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.webUrl(), { maxLength: 3_000 }), fc.nat(50), (uris, every) => {
        const named = new NamedParts();
        const [added, others] = [uris.filter((_, at) => at % (every + 2) !== 0), uris.filter((_, at) => at % (every + 2) === 0)];
        for (const [at, uri] of added.entries()) named.add(uri, at);
        assert.equal(named.count, added.length);
        for (const [at, uri] of added.entries()) assert.equal(named.bytesOf(uri), at);
        for (const uri of others) assert.ok(!named.has(uri) && named.bytesOf(uri) === null, uri);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps a hundred thousand in a few bytes each', () => {
    const named = new NamedParts();
    for (let part = 0; part < 100_000; part += 1) named.add(`file:///out/part-${part}`, part);
    for (let part = 0; part < 100_000; part += 1) named.add(`file:///out/part-${part}`, part + 1);
    assert.equal(named.count, 100_000);
    assert.equal(named.bytesOf('file:///out/part-99999'), 100_000);
    assert.ok(!named.has('file:///out/part-100000'));
  });
});
