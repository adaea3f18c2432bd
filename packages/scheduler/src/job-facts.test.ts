import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Journal } from '@millrace/journal';
import type { Chunk } from '@millrace/protocol';
import { JobFacts } from './job-facts.ts';

const counts = { records: 1, lines: 1, damages: 0, blankLines: 0, commentLines: 0 };
const rangeChunk = (chunk: number): Chunk => ({ chunk, kind: 'range', file: 0, start: 0, end: chunk + 1, record: 1, line: 1, ...counts });

/** A journal that holds one segment, counts how often it is read, and fails as often as told. */
function journalWith(chunks: readonly number[], faults = 0): { journal: Journal; reads: () => number } {
  let reads = 0;
  const readSegment = async () => {
    reads += 1;
    if (reads <= faults) throw new Error('storage is away');
    return { key: 'k', digest: 'd', record: { firstChunk: chunks[0] ?? 0, chunks: chunks.map(rangeChunk) } };
  };
  return { journal: { readSegment } as unknown as Journal, reads: () => reads };
}

describe('sizes of chunks', () => {
  it('reads a segment once for all its chunks, also when they are asked for at once', async () => {
    const { journal, reads } = journalWith([3, 4, 5, 6]);
    const facts = new JobFacts(journal);
    const bytes = await Promise.all([3, 4, 5, 6].map((chunk) => facts.bytesOfChunk('k', 'd', chunk)));
    assert.deepEqual(bytes, [4, 5, 6, 7]);
    assert.equal(await facts.bytesOfChunk('k', 'd', 5), 6);
    assert.equal(reads(), 1);
  });

  it('finds chunks of a later plan, in which any may be missing', async () => {
    const facts = new JobFacts(journalWith([2, 7, 9]).journal);
    assert.equal(await facts.bytesOfChunk('k', 'd', 9), 10);
    await assert.rejects(facts.bytesOfChunk('k', 'd', 3), /cannot find chunk 3/);
    await assert.rejects(facts.bytesOfChunk('k', 'd', 1), /cannot find chunk 1/);
  });

  it('does not keep a fault', async () => {
    const { journal, reads } = journalWith([0, 1], 1);
    const facts = new JobFacts(journal);
    const both = await Promise.allSettled([facts.bytesOfChunk('k', 'd', 0), facts.bytesOfChunk('k', 'd', 1)]);
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(await facts.bytesOfChunk('k', 'd', 1), 2);
    assert.equal(reads(), 2);
  });
});
