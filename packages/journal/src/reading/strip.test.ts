import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChunkState, chunkStates, type JobId, jobIdFromKey, parseFilter, type Segment } from '@millrace/protocol';
import fc from 'fast-check';

import { listChunks } from './chunk-list.ts';
import { PlanIndex } from './plan-index.ts';
import { type ChunkStates, chunksOfFile, chunksOfStage, fileStrip, stageStrip } from './strip.ts';

const digest = 'ab'.repeat(32);
const jobId: JobId = jobIdFromKey('test', 'strip');

type Chunks = Segment['chunks'];

const range = (chunk: number, file: number, start: number, end: number, record = 1): Chunks[number] => {
  const lines = { records: end - start, lines: end - start, damages: 0, blankLines: 0, commentLines: 0 };
  return { chunk, kind: 'range', file, start, end, record, line: record, ...lines };
};

const group = (chunk: number, first: number, files: number, bytes: number): Chunks[number] => {
  const one = (file: number) => {
    const { chunk: _, kind: __, ...share } = range(chunk, file, 0, bytes) as Extract<Chunks[number], { kind: 'range' }>;
    return share;
  };
  return { chunk, kind: 'files', files: Array.from({ length: files }, (_, at) => one(first + at)) };
};

function indexOf(...segments: { stage?: string; generation?: number; chunks: Chunks }[]): PlanIndex {
  const index = new PlanIndex();
  for (const [segment, { stage = 'read', generation = 1, chunks }] of segments.entries()) {
    const head = { record: 'segment', version: 1, jobId, specDigest: digest, pinsDigest: digest } as const;
    const numbers = [
      ...new Set(chunks.flatMap((chunk) => (chunk.kind === 'range' ? [chunk.file] : chunk.kind === 'files' ? chunk.files.map(({ file }) => file) : []))),
    ];
    const files = numbers.map((file) => {
      const layout = { bom: 0, dataStart: 0, firstLine: 1, header: ['id', 'name'], mapping: [0, 1], extra: [] };
      return { file, input: 0, uri: `file:///in/orders-${file}.csv`, etag: 'e', size: 1_000, ...layout };
    });
    index.add({ key: `plan/${segment}`, digest, record: { ...head, generation, stage, segment, firstChunk: chunks[0]?.chunk ?? 0, files, chunks, ended: [] } });
  }
  return index;
}

const states = (of: Readonly<Record<number, ChunkState>>, rejects: Readonly<Record<number, number | null>> = {}): ChunkStates => ({
  stateOf: (chunk) => of[chunk] ?? 'committed',
  rejectsOf: (chunk) => (rejects[chunk] === undefined ? 0 : rejects[chunk]),
});

test('a file of fewer chunks than cells has a cell for each chunk, in the order of the file', async () => {
  const index = indexOf({ chunks: [range(0, 0, 10, 40), range(1, 0, 40, 90), range(2, 1, 0, 50)] });
  const { chunks, stage } = await chunksOfFile(index, 0, null, ['read']);
  assert.deepEqual([stage, chunks], ['read', [0, 1]]);
  const strip = await fileStrip(index, chunks, 2_000, states({ 1: 'running' }, { 0: 3 }), 1_000);
  assert.deepEqual(strip.cells, [
    { start: 10, end: 40, state: 'committed', chunks: 1, first: 0, last: 0, rejects: 3 },
    { start: 40, end: 90, state: 'running', chunks: 1, first: 1, last: 1, rejects: 0 },
  ]);
  assert.deepEqual([strip.length, strip.counts.total, strip.counts.running], [90, 2, 1]);
});

test('a cell is in the worst state of its chunks, and does not claim to know rejects that nobody counted', async () => {
  const index = indexOf({ chunks: Array.from({ length: 100 }, (_, at) => range(at, 0, at * 10, at * 10 + 10)) });
  const { chunks } = await chunksOfFile(index, 0, null, ['read']);
  const { cells } = await fileStrip(index, chunks, 10, states({ 5: 'retrying', 7: 'dead', 33: 'queued' }, { 4: 2, 90: null }), 1_000);
  assert.deepEqual(
    cells.map(({ state }) => state),
    ['dead', 'committed', 'committed', 'queued', ...Array<string>(6).fill('committed')],
  );
  assert.deepEqual([cells[0]?.rejects, cells[9]?.rejects], [2, null]);
});

test('small files that are one chunk show the whole chunk each, and a later generation that lists a chunk again counts it once', async () => {
  const index = indexOf({ chunks: [group(0, 0, 3, 20), range(1, 3, 0, 50)] }, { generation: 2, chunks: [group(0, 0, 3, 20)] });
  assert.deepEqual([index.count, index.at(0)?.generation, index.at(0)?.files, index.at(1)?.generation], [2, 2, 3, 1]);
  const { chunks } = await chunksOfFile(index, 1, null, ['read']);
  const strip = await fileStrip(index, chunks, 10, states({ 0: 'dead' }), 20);
  assert.deepEqual(strip.cells, [{ start: 0, end: 20, state: 'dead', chunks: 1, first: 0, last: 0, rejects: 0 }]);
});

test('a group that a file is missing in, for it could not be planned, is not shown for that file', async () => {
  const { chunk, kind, files } = group(0, 0, 3, 20) as Extract<Chunks[number], { kind: 'files' }>;
  const index = indexOf({ chunks: [{ chunk, kind, files: files.map((share) => (share.file === 2 ? { ...share, file: 3 } : share)) }] });
  const shown = [0, 1, 2, 3, 4].map((file) => index.reads(0, file));
  assert.deepEqual(shown, [true, true, false, true, false]);
  assert.deepEqual((await listed(index, 'file:orders-2.csv')).chunks, []);
  assert.deepEqual((await listed(index, 'file:orders-3.csv')).chunks, [0]);
});

test('of a file that two stages read the later one is shown, and a stage can be named', async () => {
  const index = indexOf({ stage: 'unique', chunks: [range(0, 0, 0, 50), range(1, 0, 50, 100)] }, { stage: 'clean', chunks: [range(2, 0, 0, 50)] });
  const order = ['unique', 'owners', 'clean'];
  assert.deepEqual(await chunksOfFile(index, 0, null, order), { stage: 'clean', chunks: [2] });
  assert.deepEqual(await chunksOfFile(index, 0, 'unique', order), { stage: 'unique', chunks: [0, 1] });
  assert.deepEqual(await chunksOfStage(index, 'unique'), [0, 1]);
});

test('property: cells cover every chunk once, in order, and never more than were asked for', async () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 300 });
  const worst: readonly ChunkState[] = ['dead', 'retrying', 'cancelled', 'running', 'queued', 'pending', 'committed'];
  const each = fc.array(fc.constantFrom(...chunkStates), { minLength: 300, maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(lengths, each, fc.integer({ min: 1, max: 400 }), fc.boolean(), async (sizes, all, most, byFile) => {
      const ends = sizes.map((_, chunk) => sizes.slice(0, chunk + 1).reduce((sum, size) => sum + size, 0));
      const index = indexOf({ chunks: ends.map((last, chunk) => range(chunk, 0, ends[chunk - 1] ?? 0, last)) });
      const of: ChunkStates = { stateOf: (chunk) => all[chunk] ?? 'pending', rejectsOf: (chunk) => chunk };
      const chunks = sizes.map((_, chunk) => chunk);
      const { cells, length, counts } = await (byFile ? fileStrip(index, chunks, most, of, 0) : stageStrip(chunks, most, of));
      assert.ok(cells.length <= most && cells.length > 0);
      assert.equal(length, byFile ? ends.at(-1) : sizes.length);
      let next = 0;
      for (const cell of cells) {
        assert.equal(cell.first, next);
        assert.equal(cell.chunks, cell.last - cell.first + 1);
        const own = all.slice(cell.first, cell.last + 1);
        assert.equal(
          cell.state,
          worst.find((state) => own.includes(state)),
        );
        assert.equal(
          cell.rejects,
          chunks.slice(cell.first, cell.last + 1).reduce((sum, chunk) => sum + chunk, 0),
        );
        next = cell.last + 1;
      }
      assert.equal(next, sizes.length);
      assert.equal(counts.total, sizes.length);
    }),
    { numRuns: 200 },
  );
});

const fields = { id: 'text', state: 'text', stage: 'text', file: 'text', offset: 'offset', record: 'offset', code: 'text', bytes: 'size' } as const;

async function listed(index: PlanIndex, text: string, options: { after?: number; limit?: number; of?: ChunkStates } = {}) {
  const { after = null, limit = 50, of = states({}) } = options;
  const trouble = { code: 'CORE_CRASH', class: 'crash', fingerprint: 'fp1-0', worker: 'w-7', message: 'gone', attempts: 3 };
  const troubleOf = (chunk: number) => (chunk === 3 ? trouble : null);
  return listChunks(index, { jobId, filter: parseFilter(text, fields), after, limit, states: of, troubleOf, nowMs: 0 });
}

test('chunks are found by state, stage, file, offset, record and the code of their failure, in pages that do not overlap', async () => {
  const index = indexOf(
    { chunks: [range(0, 0, 0, 100, 1), range(1, 0, 100, 200, 101), range(2, 1, 0, 100, 1)] },
    { stage: 'clean', chunks: [range(3, 1, 100, 250, 101)] },
  );
  const found = async (text: string, of?: ChunkStates) => (await listed(index, text, of === undefined ? {} : { of })).chunks;
  assert.deepEqual(await found(''), [0, 1, 2, 3]);
  assert.deepEqual(await found('state:dead', states({ 2: 'dead' })), [2]);
  assert.deepEqual(await found('-state:committed', states({ 2: 'dead', 0: 'running' })), [0, 2]);
  assert.deepEqual(await found('stage:clean'), [3]);
  assert.deepEqual(await found('file:orders-1.csv'), [2, 3]);
  assert.deepEqual(await found('offset:150'), [1, 3]);
  assert.deepEqual(await found('record:101 file:*-0.csv'), [1]);
  assert.deepEqual(await found('code:CORE_*'), [3]);
  assert.deepEqual(await found('gone'), [3]);
  assert.deepEqual(await found('bytes:>100'), [3]);
  const first = await listed(index, '', { limit: 3 });
  assert.deepEqual([first.chunks, first.total, first.more], [[0, 1, 2], 4, true]);
  const second = await listed(index, '', { limit: 3, after: 2 });
  assert.deepEqual([second.chunks, second.total, second.more], [[3], 4, false]);
});
