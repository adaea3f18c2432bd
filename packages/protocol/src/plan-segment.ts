/** The plan of a generation: segments of chunks, an end mark under the next number so that a late segment loses, and the seal. */
import { z } from 'zod';

import { type ChunkRange, count, digest, generationNumber, head, stageName } from './record-shapes.ts';

const lineCounts = { records: count, damages: count, blankLines: count, commentLines: count };

export const plannedFileShape = z.object({
  file: count,
  input: count,
  uri: z.string(),
  etag: z.string(),
  size: count,
  /** Length of the byte order mark. */
  bom: count,
  dataStart: count,
  firstLine: z.int().min(1),
  header: z.array(z.string()),
  /** For each column of the file the schema field that it feeds. */
  mapping: z.array(count.nullable()),
  extra: z.array(z.string()),
  /** Where the stream of a damaged compressed file is cut, under `keepIntactPrefix`. */
  cut: z
    .object({
      end: count,
      decodedEnd: count,
      compressedStart: count,
      code: z.enum(['INPUT_TRUNCATED', 'INPUT_CORRUPT']),
      message: z.string(),
    })
    .optional(),
});
export type PlannedFile = z.output<typeof plannedFileShape>;

export const rangeChunkShape = z.object({
  chunk: count,
  kind: z.literal('range'),
  file: count,
  start: count,
  end: count,
  /** Number of the first record, and its physical line; both from 1. */
  record: z.int().min(1),
  line: z.int().min(1),
  lines: count,
  ...lineCounts,
  /** Where decoding starts; absent where the file is not compressed. */
  decode: z
    .discriminatedUnion('from', [
      /** At a member that begins at `offset` in the file and at `stream` in the stream. */
      z.object({ from: z.literal('member'), offset: count, stream: count }),
      /** The stream lies in the journal, in pieces of `pieceBytes`; `sha256` are those from number `first` on. */
      z.object({ from: z.literal('staged'), pieceBytes: count, first: count, sha256: z.array(digest) }),
    ])
    .optional(),
});
export type RangeChunk = z.output<typeof rangeChunkShape>;

/** Small files, each whole, in order. Where a place in such a chunk is named, its files count as if they stood one after another. */
export const filesChunkShape = z.object({
  chunk: count,
  kind: z.literal('files'),
  files: z.array(rangeChunkShape.omit({ chunk: true, kind: true })).min(2),
});
export type FilesChunk = z.output<typeof filesChunkShape>;

/** Rows `[start, end)` of a Parquet or Arrow file, counted from 0. */
export const rowsChunkShape = z.object({
  chunk: count,
  kind: z.literal('rows'),
  file: count,
  start: count,
  end: count,
  /** Its share of the file's bytes; the shares of all chunks sum up to the size of the file. */
  bytes: count,
  records: count,
});
export type RowsChunk = z.output<typeof rowsChunkShape>;

/** The record that a replayed one takes the place of: where it stood, and what it was rejected for, the main code first. */
export const originShape = z.object({
  file: count,
  record: count.min(1),
  line: count.min(1),
  byte: count,
  errors: z.array(z.object({ code: z.string(), column: z.string().nullable() })).min(1),
});
export type Origin = z.output<typeof originShape>;

/** What the producer of a stream said of a chunk: how many records it holds, and what tells the same chunk from another under its key. */
const saidByProducer = { records: count.nullish(), digest: z.string().optional() };

export const inlineChunkShape = z.object({
  chunk: count,
  kind: z.literal('inline'),
  key: z.string(),
  offset: count,
  length: count,
  sha256: digest,
  /** Each a file of its own; or, where they have an origin, one record each, `key` being the id of the reject: then all of the chunk are such. */
  payloads: z.array(z.object({ key: z.string(), offset: count, length: count, origin: originShape.optional(), ...saidByProducer })),
});
export type InlineChunk = z.output<typeof inlineChunkShape>;

/**
 * Bytes `[start, end)` of an object as a producer named them: the records that start in them. Nobody has scanned them, so their numbers are known only
 * where the range begins with the object.
 */
export const givenChunkShape = z.object({
  chunk: count,
  kind: z.literal('given'),
  key: z.string(),
  uri: z.string(),
  etag: z.string(),
  size: count,
  start: count,
  end: count,
  ...saidByProducer,
});
export type GivenChunk = z.output<typeof givenChunkShape>;

/** One partition of a reduce stage, with the list of slices of exchange objects that it reads. */
export const partitionChunkShape = z.object({
  chunk: count,
  kind: z.literal('partition'),
  partition: count,
  /** Rows and stored bytes of its slices. */
  rows: count,
  bytes: count,
  slices: z.object({ key: z.string(), digest }),
  /** Of the stage `owners`: lists of the records that replays have read in place of rejected ones; left out when there are none. */
  replaced: z.array(z.object({ key: z.string(), digest })).optional(),
});
export type PartitionChunk = z.output<typeof partitionChunkShape>;

export const chunkShape = z.discriminatedUnion('kind', [
  rangeChunkShape,
  filesChunkShape,
  rowsChunkShape,
  inlineChunkShape,
  givenChunkShape,
  partitionChunkShape,
]);
/** A chunk as its plan segment lists it. */
export type Chunk = z.output<typeof chunkShape>;

export const endedFileShape = z.object({ file: count, lines: count, bytes: count, ...lineCounts });
/** The totals of a file that planning has read to its end. */
export type EndedFile = z.output<typeof endedFileShape>;

const plan = { generation: generationNumber };

/** Records of a chunk that lost a unique key to others: a list of slices of what the stage `owners` handed on. */
export const chunkLosersShape = z.object({ chunk: count, rows: count, slices: z.object({ key: z.string(), digest }) });

export const segmentShape = z.object({
  ...head('segment'),
  ...plan,
  stage: stageName,
  segment: count,
  specDigest: digest,
  pinsDigest: digest,
  firstChunk: count,
  files: z.array(plannedFileShape),
  chunks: z.array(chunkShape),
  ended: z.array(endedFileShape),
  /** Of a stream: the request whose chunks these are. Two with the same chunks are two. */
  batch: z.string().optional(),
  /** Of a stage that is planned behind `owners`; left out when there are none. */
  losers: z.array(chunkLosersShape).optional(),
});
export type Segment = z.output<typeof segmentShape>;

/** Of a later stage, whose plan stands in a folder of its own; absent in that of the stages that read files. */
const laterStage = stageName.nullish();

/** Stands under the number behind the last segment. */
export const planEndShape = z.object({ ...head('planEnd'), ...plan, stage: laterStage, segments: count });
export type PlanEnd = z.output<typeof planEndShape>;

export const unplannableShape = z.object({ file: count, uri: z.string(), code: z.string(), message: z.string() });
/** A file that cannot be planned; it becomes a dead letter of stage `plan`. */
export type Unplannable = z.output<typeof unplannableShape>;

export const sealedShape = z.object({
  ...head('sealed'),
  ...plan,
  stage: laterStage,
  segments: count,
  chunks: count,
  bytes: count,
  records: count,
  /** Of a stream: chunks as its producers sent them, several of which may lie in one chunk of the plan. */
  keys: count.optional(),
  unplannable: z.array(unplannableShape),
});
export type Sealed = z.output<typeof sealedShape>;

/** A segment's chunks as ranges `[first chunk, count]`, which follow one another in a first plan and need not in a later one. */
export function segmentRanges({ segment, stage, chunks }: Pick<Segment, 'segment' | 'stage' | 'chunks'>): {
  segment: number;
  stage: string;
  ranges: [first: number, count: number][];
  bytes: number;
} {
  const ranges: [number, number][] = [];
  for (const { chunk } of chunks) {
    const last = ranges.at(-1);
    if (last && last[0] + last[1] === chunk) last[1] += 1;
    else ranges.push([chunk, 1]);
  }
  return { segment, stage, ranges, bytes: chunks.reduce((sum, chunk) => sum + chunkBytes(chunk), 0) };
}

/** Stored bytes that a chunk covers. */
export function chunkBytes(chunk: Chunk): number {
  switch (chunk.kind) {
    case 'range':
    case 'given':
      return chunk.end - chunk.start;
    case 'files':
      return chunk.files.reduce((bytes, { start, end }) => bytes + end - start, 0);
    case 'inline':
      return chunk.length;
    case 'rows':
    case 'partition':
      return chunk.bytes;
    default:
      return chunk satisfies never;
  }
}

/** Chunks that are a part of one planned file: a range of its bytes, or of its rows. */
export type FileChunk = RangeChunk | RowsChunk;

export const isFileChunk = (chunk: Chunk): chunk is FileChunk => chunk.kind === 'range' || chunk.kind === 'rows';

/** What a chunk reads of planned files: itself, a part of each file of a group, or nothing. */
export function fileShares(chunk: Chunk): FileChunk[] {
  if (chunk.kind === 'files') return chunk.files.map((file) => ({ ...file, chunk: chunk.chunk, kind: 'range' }));
  return isFileChunk(chunk) ? [chunk] : [];
}

/** A chunk of records that take the places of rejected ones. */
export function isReplay(chunk: Chunk): chunk is InlineChunk {
  return chunk.kind === 'inline' && chunk.payloads[0]?.origin !== undefined;
}

/** The planned files that a segment with this chunk must hold. */
export function filesOfChunk(chunk: Chunk): number[] {
  const origins = chunk.kind === 'inline' ? chunk.payloads.flatMap(({ origin }) => (origin === undefined ? [] : [origin.file])) : [];
  return [...new Set([...fileShares(chunk).map(({ file }) => file), ...origins])];
}

/** Records that planning counted in a chunk, or rows of a partition; null of a chunk that a producer named, whose records nobody has counted. */
export function plannedRecords(chunk: Chunk): number | null {
  if (chunk.kind === 'given') return null;
  if (chunk.kind === 'inline') return isReplay(chunk) ? chunk.payloads.length : null;
  return chunk.kind === 'partition' ? chunk.rows : fileShares(chunk).reduce((sum, { records }) => sum + records, 0);
}

/** Keys under which a producer sent what a chunk of its stream holds, with what tells another content. */
export function streamKeys(chunk: Chunk): { readonly key: string; readonly digest: string; readonly bytes: number }[] {
  if (chunk.kind === 'given') return [{ key: chunk.key, digest: chunk.digest ?? '', bytes: chunk.end - chunk.start }];
  if (chunk.kind !== 'inline') return [];
  return chunk.payloads.map(({ key, digest = '', length }) => ({ key, digest, bytes: length }));
}

/** Where the data of a chunk lie, for the records of its failures. `file`: the first file that it reads, where it has any. */
export function rangeOfChunk(chunk: Chunk, file: { readonly uri: string; readonly etag: string } | undefined): ChunkRange {
  if (chunk.kind === 'inline') return { uri: chunk.key, etag: null, start: chunk.offset, end: chunk.offset + chunk.length };
  if (chunk.kind === 'given') return { uri: chunk.uri, etag: chunk.etag, start: chunk.start, end: chunk.end };
  if (chunk.kind === 'partition') return { uri: chunk.slices.key, etag: null, start: 0, end: chunk.bytes };
  // Of a group the first file stands for all.
  if (chunk.kind === 'files') return { uri: file?.uri ?? '', etag: null, start: 0, end: chunkBytes(chunk) };
  return { uri: file?.uri ?? '', etag: file?.etag ?? null, start: chunk.start, end: chunk.end };
}
