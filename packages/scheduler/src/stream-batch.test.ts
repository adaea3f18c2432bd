import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type InlineChunk, maxInlineChunkBytes, type SentChunk, sha256Hex } from '@millrace/protocol';
import fc from 'fast-check';
import { planBatch, rangeProblem, readBatch } from './stream-batch.ts';

const inline = (key: string, text: string): SentChunk => ({ key, records: null, inline: Buffer.from(text).toString('base64') });
const range = (key: string, from: number, to: number): SentChunk => ({ key, records: null, uri: 'file:///a', range: [from, to], etag: null });
const object = { uri: 'file:///a', etag: 'e', size: 100 };
const of = { firstChunk: 7, chunkBytes: maxInlineChunkBytes, inlineKeyOf: () => 'jobs/j/inline/0.bin' };

describe('a batch of a stream', () => {
  test('has each key once, and refuses a key that stands for two things', () => {
    const read = readBatch([inline('a', '1'), inline('b', '2'), inline('a', '1')]);
    assert.deepEqual([read.pieces.map(({ key }) => key), read.again, read.conflict], [['a', 'b'], 1, null]);
    assert.equal(readBatch([inline('a', '1'), inline('a', '2')]).conflict, 'a');
    assert.equal(readBatch([range('a', 0, 5), range('a', 0, 6)]).conflict, 'a');
    assert.equal(readBatch([inline('a', '1'), { ...inline('a', '1'), records: 3 }]).conflict, 'a', 'what was promised of it is content too');
  });

  test('becomes chunks in the order sent: ranges alone, payloads together', () => {
    const { pieces } = readBatch([inline('a', 'xx'), inline('b', 'y'), range('r', 10, 20), inline('c', 'zzz')]);
    const planned = planBatch(pieces, new Map([[object.uri, object]]), of);
    assert.deepEqual(
      planned.chunks.map((chunk) => [chunk.chunk, chunk.kind]),
      [
        [7, 'inline'],
        [8, 'given'],
        [9, 'inline'],
      ],
    );
    assert.equal(Buffer.from(planned.inline).toString(), 'xxyzzz');
    const [first, , last] = planned.chunks as [InlineChunk, unknown, InlineChunk];
    assert.deepEqual([first.offset, first.length, first.sha256, last.offset, last.length], [0, 3, sha256Hex('xxy'), 3, 3]);
    assert.deepEqual(
      first.payloads.map(({ key, offset, length }) => [key, offset, length]),
      [
        ['a', 0, 2],
        ['b', 2, 1],
      ],
    );
  });

  test('covers every payload exactly once, whatever their sizes', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 100 }), (lengths, chunkBytes) => {
        const { pieces } = readBatch(lengths.map((length, index) => inline(`k${index}`, 'x'.repeat(length))));
        const planned = planBatch(pieces, new Map(), { ...of, chunkBytes });
        let next = 0;
        for (const chunk of planned.chunks as InlineChunk[]) {
          assert.ok(chunk.length <= chunkBytes || chunk.payloads.length === 1, 'only one payload alone may be larger than a chunk');
          for (const payload of chunk.payloads) {
            assert.deepEqual([payload.key, payload.length], [`k${next}`, lengths[next]]);
            assert.equal(
              chunk.offset + payload.offset,
              lengths.slice(0, next).reduce((sum, length) => sum + length, 0),
            );
            next += 1;
          }
        }
        assert.equal(next, lengths.length);
      }),
    );
  });

  test('refuses ranges outside of an object', () => {
    assert.equal(rangeProblem([0, 100], object), null);
    assert.equal(rangeProblem([100, 100], object), null);
    assert.match(rangeProblem([50, 101], object) ?? '', /within the 100 bytes/);
    assert.match(rangeProblem([5, 4], object) ?? '', /\[5, 4\)/);
  });
});
