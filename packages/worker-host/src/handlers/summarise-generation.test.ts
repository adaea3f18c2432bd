import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Waivers } from '@millrace/journal';
import { type AttemptId, checkBalance, type InputFile, jobIdFromKey, type RangeChunk, type Receipt, type Verdict, zeroBalance } from '@millrace/protocol';
import fc from 'fast-check';
import { type ChunkRecord, type GenerationRecords, type GenerationSummary, GenerationSums, type Placed } from './summarise-generation.ts';

const jobId = jobIdFromKey('default', 'summarise');
const digest = '0'.repeat(64);
const attemptId = `a${'0'.repeat(26)}` as AttemptId;
const head = { record: 'verdict', version: 1, jobId, stage: 'clean', generation: 1 } as const;

interface Figures {
  readonly file: number;
  readonly emitted: number;
  readonly filtered: number;
  readonly rejected: number;
  readonly bytes: number;
}

const figures: fc.Arbitrary<Figures> = fc.record({
  file: fc.integer({ min: 0, max: 2 }),
  emitted: fc.nat(50),
  filtered: fc.nat(50),
  rejected: fc.nat(50),
  bytes: fc.integer({ min: 1, max: 5_000 }),
});

function chunkOf(chunk: number, { file, emitted, filtered, rejected, bytes }: Figures): RangeChunk {
  const records = emitted + filtered + rejected;
  return { chunk, kind: 'range', file, start: 0, end: bytes, record: 1, line: 1, records, lines: records, damages: 0, blankLines: 0, commentLines: 0 };
}

function receiptOf(chunk: number, { file, emitted, filtered, rejected, bytes }: Figures): Receipt {
  const fates = { recordsIn: emitted + filtered + rejected, emitted, filtered, deduplicated: 0, rejected };
  const part = (name: string, rows: number) => (rows === 0 ? [] : [{ uri: `file:///out/${name}-${chunk}`, rows, bytes: rows * 10, sha256: digest }]);
  return {
    ...head,
    outcome: 'committed',
    chunk,
    attemptId,
    specDigest: digest,
    segmentDigest: digest,
    resultVersion: 1,
    coreVersion: '0.1.0',
    counts: { ...fates, rowsOut: emitted, repaired: 0, bytesIn: bytes, blankLines: 0, commentLines: 0, suspectRecords: 0, damagedBytes: 0, damagedLines: 0 },
    byCode: rejected === 0 ? {} : { TYPE_NUMBER: rejected },
    byColumn: rejected === 0 ? {} : { amount: { TYPE_NUMBER: rejected } },
    repairs: {},
    files: [{ file, key: null, ...fates }],
    parts: part('part', emitted),
    rejects: part('rejects', rejected),
  };
}

const committed = (chunk: number, of: Figures): ChunkRecord => ({ stage: 'clean', chunk: chunkOf(chunk, of), generation: 1, verdict: receiptOf(chunk, of) });
const deadVerdict = (chunk: number): Verdict => ({ ...head, outcome: 'dead', chunk, deadLetter: 'jobs/x/dead/y.json', code: 'INPUT_NOT_FOUND' });
const dead = (chunk: number, of: Figures): ChunkRecord => ({ stage: 'clean', chunk: chunkOf(chunk, of), generation: 1, verdict: deadVerdict(chunk) });

const files: InputFile[] = [0, 1, 2].map((file) => ({ file, input: 0, uri: `file:///in/${file}.csv`, etag: `e${file}`, size: 1_000_000 + file }));

type Records = GenerationRecords & { readonly chunks: readonly ChunkRecord[] };

/** All chunks one after another, and what they placed. */
function summariseGeneration({ chunks, ...of }: Records): GenerationSummary & Placed {
  const sums = new GenerationSums(of);
  const placed = chunks.map((chunk) => sums.add(chunk));
  const summary = sums.summary();
  const listed = { parts: placed.flatMap(({ parts }) => parts), rejects: placed.flatMap(({ rejects }) => rejects) };
  return { ...summary, ...listed, gaps: [...placed.flatMap(({ gaps }) => gaps), ...summary.gaps] };
}

function recordsOf(chunks: readonly ChunkRecord[], changes: Partial<Records> = {}): Records {
  const stages = [{ name: 'clean', kind: 'map', from: ['input'] }] as const;
  return { stages, generation: 1, chunks, files, ended: [], unplannable: [], inferred: [], waivers: new Waivers([]), ...changes };
}

const some: Figures = { file: 1, emitted: 7, filtered: 2, rejected: 1, bytes: 400 };

describe('summariseGeneration of a job with unique keys', () => {
  const stages = [
    { name: 'unique', kind: 'map', from: ['input'] },
    { name: 'owners', kind: 'reduce', from: ['unique'] },
    { name: 'read', kind: 'map', from: ['input'] },
  ] as const;
  const at = (stage: string, record: ChunkRecord): ChunkRecord => {
    const { verdict } = record;
    return { ...record, stage, verdict: verdict === null ? null : { ...verdict, stage } };
  };
  const keys = { ...some, rejected: 0, emitted: 0, filtered: 10 };
  const unique = at('unique', committed(0, keys));
  const ended = [{ file: 1, records: 10, lines: 11, damages: 0, blankLines: 0, commentLines: 0, bytes: 400 }];

  it('counts each record once, and each file', () => {
    const summary = summariseGeneration(recordsOf([unique, at('read', committed(1, some))], { stages, ended }));
    assert.deepEqual([summary.imbalances, summary.planConflict], [[], null]);
    assert.deepEqual([summary.balance.recordsIn, summary.balance.emitted, summary.balance.rejected], [10, 7, 1]);
    assert.deepEqual([summary.files[1]?.balance.recordsIn, summary.sums.bytesIn], [10, 400]);
  });

  it('misses a chunk that only one of the two has read, unless it died while its keys were read', () => {
    const without = summariseGeneration(recordsOf([unique], { stages, ended }));
    assert.match(without.imbalances[0] ?? '', /^file 1 from 0: read by only one/);
    const only = summariseGeneration(recordsOf([at('unique', dead(0, keys)), at('read', committed(1, some))], { stages, ended }));
    assert.match(only.imbalances[0] ?? '', /^file 1 from 0: read by only one/);
    const gap = summariseGeneration(recordsOf([at('unique', dead(0, keys))], { stages, ended }));
    assert.deepEqual([gap.imbalances, gap.planConflict, gap.balance.unreadBytes], [[], null, 400]);
  });
});

describe('summariseGeneration', () => {
  it('gives the same sums for any order of the chunks, and they balance', () => {
    fc.assert(
      fc.property(fc.array(figures, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (all, shuffle) => {
        const chunks = all.map((of, index) => committed(index, of));
        const shuffled = chunks
          .map((chunk) => ({ chunk, at: shuffle.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ chunk }) => chunk);
        const one = summariseGeneration(recordsOf(chunks));
        const other = summariseGeneration(recordsOf(shuffled));
        assert.deepEqual(other.balance, one.balance);
        assert.deepEqual(other.files, one.files);
        assert.deepEqual(other.sums.byCode, one.sums.byCode);
        assert.deepEqual(other.counts, one.counts);
        assert.equal(checkBalance(one.balance), null);
        assert.deepEqual(one.imbalances, []);
        assert.equal(
          one.balance.recordsIn,
          all.reduce((sum, of) => sum + of.emitted + of.filtered + of.rejected, 0),
        );
      }),
    );
  });

  it('does not depend on how the records are cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(figures, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 5 }), (all, group) => {
        const ofOneFile = all.map((of) => ({ ...of, file: 0 }));
        const merged: Figures[] = [];
        for (let at = 0; at < ofOneFile.length; at += group) {
          merged.push(
            ofOneFile.slice(at, at + group).reduce((sum, of) => ({
              file: 0,
              emitted: sum.emitted + of.emitted,
              filtered: sum.filtered + of.filtered,
              rejected: sum.rejected + of.rejected,
              bytes: sum.bytes + of.bytes,
            })),
          );
        }
        const fine = summariseGeneration(recordsOf(ofOneFile.map((of, index) => committed(index, of))));
        const coarse = summariseGeneration(recordsOf(merged.map((of, index) => committed(index, of))));
        assert.deepEqual(coarse.balance, fine.balance);
        assert.deepEqual(coarse.files, fine.files);
        assert.equal(coarse.sums.bytesIn, fine.sums.bytesIn);
      }),
    );
  });

  it('counts a file that a group was committed without as a gap, with its bytes', () => {
    const of = { ...some, bytes: 300 };
    const shares = [0, 1].map((file) => ({ ...chunkOf(0, { ...of, file }), chunk: undefined, kind: undefined }));
    const chunk = { chunk: 0, kind: 'files', files: shares } as unknown as ChunkRecord['chunk'];
    const unread = [{ file: 1, code: 'INPUT_CHANGED', message: 'it changed' }];
    const verdict = { ...receiptOf(0, { ...of, file: 0 }), unread };
    const summary = summariseGeneration(recordsOf([{ stage: 'clean', chunk, generation: 1, verdict }]));
    assert.deepEqual(summary.imbalances, []);
    assert.deepEqual(summary.gaps, [{ chunk: 'clean.0', file: 1, range: { start: 0, end: 300 }, code: 'INPUT_CHANGED', acceptedBy: 'budget' }]);
    assert.deepEqual([summary.budget.deadChunks, summary.budget.deadBytes, summary.balance.unreadBytes], [1, 300, 300]);
    const silent = summariseGeneration(recordsOf([{ stage: 'clean', chunk, generation: 1, verdict: { ...verdict, unread: [] } }]));
    assert.match(silent.imbalances[0] ?? '', /20 records planned, 10 read/);
  });

  it('finds a receipt that does not balance, in itself or against its plan', () => {
    const receipt = receiptOf(0, some);
    const wrong = (changes: Partial<Receipt>): readonly string[] =>
      summariseGeneration(recordsOf([{ stage: 'clean', chunk: chunkOf(0, some), generation: 1, verdict: { ...receipt, ...changes } }])).imbalances;
    assert.deepEqual(wrong({}), []);
    assert.match(wrong({ counts: { ...receipt.counts, emitted: 8 } })[0] ?? '', /chunk 0: 10 records in, but 8 emitted/);
    assert.match(wrong({ parts: [] })[0] ?? '', /rows handed on or in the parts/);
    assert.match(wrong({ rejects: [] })[0] ?? '', /rows of the reject files/);
    assert.match(wrong({ files: [] })[0] ?? '', /records in of the files/);
    const planned = { stage: 'clean', chunk: { ...chunkOf(0, some), records: 11 }, generation: 1, verdict: receipt };
    assert.match(summariseGeneration(recordsOf([planned])).imbalances[0] ?? '', /11 records planned, 10 read/);
  });

  it('finds a plan whose chunks overlap, leave a hole or lack records', () => {
    const file = (start: number, end: number, record: number, records: number): RangeChunk => ({ ...chunkOf(0, some), start, end, record, records });
    const ended = (records: number) => [{ file: 1, lines: 12, bytes: 400, records, damages: 0, blankLines: 0, commentLines: 0 }];
    const conflict = (chunks: readonly RangeChunk[], records: number): string | null => {
      const unread = chunks.map((chunk, index) => ({ stage: 'clean', chunk: { ...chunk, chunk: index }, generation: 1, verdict: null }));
      return summariseGeneration(recordsOf(unread, { ended: ended(records) })).planConflict;
    };
    assert.equal(conflict([file(10, 50, 1, 4), file(50, 90, 5, 6)], 10), null);
    assert.equal(conflict([file(50, 90, 5, 6), file(10, 50, 1, 4)], 10), null);
    assert.equal(conflict([], 0), null);
    assert.match(conflict([file(10, 50, 1, 4), file(60, 90, 5, 6)], 10) ?? '', /file 1: chunk 1 begins with record 5 at byte 60, but 5 at 50 is next/);
    assert.match(conflict([file(10, 50, 1, 4), file(40, 90, 5, 6)], 10) ?? '', /at byte 40/);
    assert.match(conflict([file(10, 50, 1, 4), file(50, 90, 6, 6)], 11) ?? '', /record 6/);
    assert.match(conflict([file(10, 50, 1, 4)], 10) ?? '', /planning counted 10 records, its chunks hold 4/);
    assert.match(conflict([], 3) ?? '', /its chunks hold 0/);
  });

  it('names what is missing: no verdict, or one that was closed', () => {
    const closed: Verdict = { ...head, outcome: 'closed', chunk: 2, command: 0 };
    const chunks = [committed(0, some), { ...committed(1, some), verdict: null }, { ...committed(2, some), verdict: closed }];
    const { missing, counts } = summariseGeneration(recordsOf(chunks));
    assert.deepEqual(
      missing.map(({ chunk }) => chunk),
      [1, 2],
    );
    assert.deepEqual(counts, { total: 3, committed: 1, dead: 0, open: 2 });
  });

  it('makes gaps of dead chunks and of files without plan, and counts their bytes as unread', () => {
    const unplannable = [{ file: 2, uri: files[2]?.uri ?? '', code: 'SCHEMA_MISSING_COLUMN', message: 'no id' }];
    const summary = summariseGeneration(recordsOf([committed(0, some), dead(1, some)], { unplannable }));
    assert.deepEqual(
      summary.gaps.map(({ chunk, file, code }) => [chunk, file, code]),
      [
        ['clean.1', 1, 'INPUT_NOT_FOUND'],
        ['plan.2', 2, 'SCHEMA_MISSING_COLUMN'],
      ],
    );
    assert.equal(summary.balance.unreadBytes, 400 + 1_000_002);
    assert.deepEqual([summary.counts.dead, summary.budget.deadChunks, summary.budget.deadBytes], [2, 2, 1_000_402]);
    assert.equal(summary.budget.plannedBytes, 800 + 1_000_002);
    assert.deepEqual(summary.missing, []);
  });

  it('tells of each file what became of its records, also of one that had none', () => {
    const ended = [{ file: 1, lines: 12, bytes: 400, records: 10, damages: 0, blankLines: 1, commentLines: 1 }];
    const summary = summariseGeneration(recordsOf([committed(0, some)], { ended }));
    assert.deepEqual(
      summary.files.map(({ file, balance, lines, blankLines }) => [file, balance.recordsIn, balance.rejected, lines, blankLines]),
      [
        [0, 0, 0, 0, 0],
        [1, 10, 1, 12, 1],
        [2, 0, 0, 0, 0],
      ],
    );
    assert.deepEqual(
      summary.parts.map(({ chunk, rows }) => [chunk, rows]),
      [['clean.0', 7]],
    );
  });

  it('is all zero for nothing at all', () => {
    const summary = summariseGeneration(recordsOf([], { files: [] }));
    assert.deepEqual(summary.balance, zeroBalance);
    assert.deepEqual(summary.imbalances, []);
    assert.deepEqual(summary.counts, { total: 0, committed: 0, dead: 0, open: 0 });
  });
});

describe('summariseGeneration over stages', () => {
  const stages = [
    { name: 'clean', kind: 'map', from: ['input'] },
    { name: 'once', kind: 'reduce', from: ['clean'] },
  ] as const;
  const handOn = (chunk: number, of: Figures): ChunkRecord => {
    const record = committed(chunk, of);
    const runs = [{ partition: 0, offset: 0, length: 9, rows: of.emitted, xxh3: '0'.repeat(16) }];
    return { ...record, verdict: { ...receiptOf(chunk, of), parts: [], exchange: { object: 'jobs/x/work/exchange/y', bytes: 9, runs } } };
  };
  const partition = (chunk: number, rows: number, deduplicated: number, generation = 1): ChunkRecord => {
    const emitted = rows - deduplicated;
    const fates = { recordsIn: rows, emitted, filtered: 0, deduplicated, rejected: 0 };
    const receipt = receiptOf(chunk, { ...some, emitted, filtered: 0, rejected: 0 });
    const counts = { ...receipt.counts, ...fates, rowsOut: emitted };
    return {
      stage: 'once',
      chunk: { chunk, kind: 'partition', partition: chunk - 2, rows, bytes: 50, slices: { key: 'jobs/x/work/slices/y', digest } },
      generation,
      verdict: { ...receipt, stage: 'once', generation, counts, files: [], inputsDigest: digest },
    };
  };
  const of = (chunks: readonly ChunkRecord[]) => summariseGeneration(recordsOf(chunks, { stages }));
  const maps = [handOn(0, some), handOn(1, some)];

  it('adds up each stage, moves what was dropped, and names the parts of the last', () => {
    const summary = of([...maps, partition(2, 10, 3), partition(3, 4, 0)]);
    assert.deepEqual(summary.imbalances, []);
    assert.deepEqual(
      summary.stages.map(({ name, chunks, balance }) => [name, chunks.committed, balance.recordsIn, balance.deduplicated, balance.rowsOut]),
      [
        ['clean', 2, 20, 0, 14],
        ['once', 2, 14, 3, 11],
      ],
    );
    const { recordsIn, emitted, filtered, deduplicated, rejected, rowsOut } = summary.balance;
    assert.deepEqual([recordsIn, emitted, filtered, deduplicated, rejected, rowsOut], [20, 11, 4, 3, 2, 11]);
    assert.deepEqual(
      summary.parts.map(({ chunk }) => chunk),
      ['once.2', 'once.3'],
    );
    assert.equal(summary.files[1]?.balance.recordsIn, 20);
  });

  it('finds rows that were handed on and reached no partition, or that a partition did not read', () => {
    assert.match(of([...maps, partition(2, 10, 0)]).imbalances.join(), /stage once: clean handed on 14 rows, its partitions hold 10/);
    const short = partition(3, 4, 0);
    assert.match(of([...maps, partition(2, 10, 0), { ...short, chunk: { ...short.chunk, rows: 5 } as never }]).imbalances.join(), /5 records planned, 4 read/);
    assert.match(of([{ ...maps[0], verdict: receiptOf(0, { ...some, emitted: 7 }) } as ChunkRecord]).imbalances.join(), /^$/);
  });

  it('counts a dead partition as a gap without bytes of the input', () => {
    const { chunk } = partition(3, 4, 0);
    const summary = of([...maps, partition(2, 10, 0), { stage: 'once', chunk, generation: 1, verdict: { ...deadVerdict(3), stage: 'once' } as Verdict }]);
    assert.deepEqual(summary.imbalances, []);
    assert.deepEqual(
      summary.gaps.map((gap) => [gap.chunk, gap.file]),
      [['once.3', null]],
    );
    assert.deepEqual([summary.balance.unreadBytes, summary.budget.deadBytes, summary.budget.deadChunks], [0, 50, 1]);
  });
});
