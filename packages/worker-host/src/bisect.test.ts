import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { findPoison, MAX_CORE_STARTS, type RecordRange } from './bisect.ts';
import { halvesOfRecords, rangesOf, twoHalves } from './bisect-chunk.ts';

/** Records of various lengths; record `n` (from 1) begins at `starts[n - 1]`. */
class Records {
  readonly starts: readonly number[];
  readonly #end: number;
  readonly #poison: ReadonlySet<number>;
  trials = 0;
  deaths = 0;

  constructor(lengths: readonly number[], poison: Iterable<number>) {
    let at = 100;
    this.starts = lengths.map((length) => {
      const start = at;
      at += length;
      return start;
    });
    this.#end = at;
    this.#poison = new Set(poison);
  }

  get whole(): RecordRange {
    return { start: 100, end: this.#end, record: 1, line: 2, records: this.starts.length };
  }

  /** As the core cuts: the first record that begins at or behind each equal share of the bytes. */
  #cuts(range: RecordRange, parts: number) {
    const found: number[] = [];
    for (const start of this.starts.filter((at) => at >= range.start && at < range.end)) {
      const target = range.start + Math.floor(((range.end - range.start) * found.length) / parts);
      if (found.length < parts && start >= target) found.push(start);
    }
    const numberOf = (start: number): number => this.starts.indexOf(start) + 1;
    return found.map((start, index) => ({ start, end: found[index + 1] ?? range.end, record: numberOf(start), line: numberOf(start) + 1 }));
  }

  actions = {
    trial: async (range: RecordRange): Promise<string | null> => {
      this.trials += 1;
      const dies = [...this.#poison].some((number) => number >= range.record && number < range.record + range.records);
      if (dies) this.deaths += 1;
      return dies ? 'CORE_CRASH' : null;
    },
    /** As a host does it with the cuts of its core. */
    halve: async (range: RecordRange): Promise<RecordRange[]> => {
      for (const parts of [2, 64, range.end - range.start]) {
        const ranges = rangesOf(range, this.#cuts(range, parts));
        if (ranges.length >= 2) return twoHalves(ranges);
      }
      return [];
    },
    isOver: () => false,
  };
}

const records = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 300 });
const recordsWithPoison = (most: number) =>
  records.chain((lengths) => fc.tuple(fc.constant(lengths), fc.uniqueArray(fc.integer({ min: 1, max: lengths.length }), { maxLength: most })));

describe('findPoison', () => {
  it('finds exactly the records that kill, in order, whatever their number and lengths', async () => {
    await fc.assert(
      fc.asyncProperty(recordsWithPoison(300), async ([lengths, poison]) => {
        const input = new Records(lengths, poison);
        const bisection = await findPoison(input.whole, input.actions, Number.POSITIVE_INFINITY);
        assert.ok('found' in bisection);
        const expected = [...poison].sort((a, b) => a - b);
        assert.deepEqual(
          bisection.found.map(({ range }) => range.record),
          expected,
        );
        for (const { range } of bisection.found) assert.equal(range.start, input.starts[range.record - 1]);
        assert.equal(bisection.coreStarts, input.deaths);
      }),
    );
  });

  it('never costs more cores than allowed, and names a range that fails when it gives up', async () => {
    await fc.assert(
      fc.asyncProperty(recordsWithPoison(200), fc.integer({ min: 1, max: MAX_CORE_STARTS }), async ([lengths, poison], most) => {
        const input = new Records(lengths, poison);
        const bisection = await findPoison(input.whole, input.actions, most);
        assert.ok(bisection.coreStarts <= most);
        assert.equal(bisection.coreStarts, input.deaths);
        if ('gaveUp' in bisection) {
          const { gaveUp } = bisection;
          assert.ok(poison.some((number) => number >= gaveUp.record && number < gaveUp.record + gaveUp.records));
        }
      }),
    );
  });

  it('needs few cores for one poison record among very many', async () => {
    const input = new Records(
      Array.from({ length: 80_000 }, () => 100),
      [54_321],
    );
    const bisection = await findPoison(input.whole, input.actions);
    assert.ok('found' in bisection);
    assert.deepEqual(
      bisection.found.map(({ range, code }) => [range.record, code]),
      [[54_321, 'CORE_CRASH']],
    );
    assert.ok(bisection.coreStarts <= 18, `${bisection.coreStarts} cores`);
  });

  it('finds a long record behind a very short one', async () => {
    const input = new Records([1, 4_000_000], [2]);
    const bisection = await findPoison(input.whole, input.actions);
    assert.ok('found' in bisection);
    assert.deepEqual(
      bisection.found.map(({ range }) => [range.record, range.start, range.end]),
      [[2, 101, 4_000_101]],
    );
  });

  it('finds nothing when nothing fails this time', async () => {
    const input = new Records([5, 5, 5], []);
    assert.deepEqual(await findPoison(input.whole, input.actions), { found: [], coreStarts: 0 });
    assert.equal(input.trials, 1);
  });

  it('gives up when time runs out or a range cannot be cut', async () => {
    const input = new Records([5, 5, 5, 5], [3]);
    let left = 3;
    const timed = await findPoison(input.whole, { ...input.actions, isOver: () => left-- <= 0 });
    assert.ok('gaveUp' in timed);
    const uncut = await findPoison(input.whole, { ...input.actions, halve: async () => [] });
    assert.deepEqual(uncut, { gaveUp: input.whole, coreStarts: 1 });
  });
});

describe('records that are counted', () => {
  it('are found by halves, whichever they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5_000 }), fc.uniqueArray(fc.nat(4_999), { maxLength: 4 }), async (count, drawn) => {
        const poison = drawn.filter((number) => number < count).toSorted((a, b) => a - b);
        const bisection = await findPoison(
          { start: 0, end: count, record: 1, line: 1, records: count },
          {
            trial: async ({ start, end }) => (poison.some((number) => number >= start && number < end) ? 'CORE_CRASH' : null),
            halve: async (range) => halvesOfRecords(range),
            isOver: () => false,
          },
        );
        assert.ok('found' in bisection);
        assert.deepEqual(
          bisection.found.map(({ range }) => [range.start, range.end, range.record]),
          poison.map((number) => [number, number + 1, number + 1]),
        );
      }),
    );
  });
});
