/**
 * Where every chunk of a job lies, in about fifty bytes a chunk: what lists, strips and filters of a job with very many chunks are made of, without its
 * plan in memory. Filled segment by segment, in the order of generations. Pure.
 */
import { type Chunk, chunkBytes, type EndedFile, fileShares, filesOfChunk, isReplay, type PlannedFile, plannedRecords } from '@millrace/protocol';

import type { Stored } from '../put-if-absent.ts';

const kinds = ['range', 'files', 'rows', 'inline', 'given', 'partition'] as const satisfies readonly Chunk['kind'][];
const groupKind = kinds.indexOf('files');
/** Behind the kinds: an inline chunk of rejects that are read once more. */
const replayKind = kinds.length;
const none = 0xffff_ffff;
/** URIs of objects that the ranges of a stream lie in. */
const keptObjects = 50_000;

/** A segment as the index keeps it. */
export interface IndexedSegment {
  readonly key: string;
  readonly digest: string;
  readonly stage: string;
  readonly generation: number;
  readonly segment: number;
}

/** A planned file without how its columns map. */
export type IndexedFile = Pick<PlannedFile, 'file' | 'input' | 'uri' | 'etag' | 'size' | 'header'>;

/** Where a chunk lies. Offsets in the stream of its file, rows of a file of columns; the end is exclusive. */
export interface ChunkPlace {
  readonly chunk: number;
  readonly stage: string;
  readonly kind: Chunk['kind'];
  readonly isReplay: boolean;
  /** The newest generation whose plan lists it, and the segment there. */
  readonly generation: number;
  readonly segment: IndexedSegment;
  /** First file that it reads, by number; null of payloads, ranges that a producer named, and partitions. */
  readonly file: number | null;
  readonly files: number;
  readonly start: number;
  readonly end: number;
  /** Number of its first record in its file, from 1; null where nobody has counted. */
  readonly record: number | null;
  readonly records: number | null;
  readonly bytes: number;
}

interface Columns {
  readonly segment: Uint32Array;
  readonly kind: Uint8Array;
  readonly file: Uint32Array;
  readonly files: Uint32Array;
  readonly start: Float64Array;
  readonly end: Float64Array;
  readonly record: Float64Array;
  readonly records: Float64Array;
  readonly bytes: Float64Array;
}

export class PlanIndex {
  readonly segments: IndexedSegment[] = [];
  readonly files = new Map<number, IndexedFile>();
  /** Totals of files that are planned to their end. */
  readonly ended = new Map<number, EndedFile>();
  readonly #headers = new Map<string, string[]>();
  /** Files of the few groups whose files do not follow one another. */
  readonly #gapped = new Map<number, ReadonlySet<number>>();
  /** Chunk of replayed rejects → the generation that took them up. */
  readonly #replayedIn = new Map<number, number>();
  readonly #objects: string[] = [];
  readonly #objectNumbers = new Map<string, number>();
  #columns = columnsOf(1_024);
  #size = 0;
  #count = 0;

  /** One more than the highest number of a chunk. */
  get size(): number {
    return this.#size;
  }

  /** Chunks of all plans, each once. */
  get count(): number {
    return this.#count;
  }

  add({ key, digest, record }: Stored<'segment'>): void {
    const { stage, generation, segment } = record;
    const number = this.segments.push({ key, digest, stage, generation, segment }) - 1;
    for (const file of record.files) this.#addFile(file);
    for (const ended of record.ended) this.ended.set(ended.file, ended);
    for (const chunk of record.chunks) this.#addChunk(chunk, number);
  }

  has(chunk: number): boolean {
    return chunk < this.#size && this.#columns.segment[chunk] !== none;
  }

  /** Null: no plan lists a chunk of this number. */
  at(chunk: number): ChunkPlace | null {
    const { segment: segments, kind, file, files, start, end, record, records, bytes } = this.#columns;
    const segment = chunk < this.#size ? this.segments[segments[chunk] ?? none] : undefined;
    if (segment === undefined) return null;
    const code = kind[chunk] ?? 0;
    return {
      chunk,
      stage: segment.stage,
      kind: code === replayKind ? 'inline' : (kinds[code] ?? 'range'),
      isReplay: code === replayKind,
      generation: segment.generation,
      segment,
      file: orNull(file[chunk] ?? none, none),
      files: file[chunk] === none ? 0 : (files[chunk] ?? 0),
      start: start[chunk] ?? 0,
      end: end[chunk] ?? 0,
      record: orNull(record[chunk] ?? -1, -1),
      records: orNull(records[chunk] ?? -1, -1),
      bytes: bytes[chunk] ?? 0,
    };
  }

  /** First byte of a chunk in its stream, or first row; of a group 0. */
  startOf(chunk: number): number {
    return this.#columns.start[chunk] ?? 0;
  }

  /** Behind its last byte or row. */
  endOf(chunk: number): number {
    return this.#columns.end[chunk] ?? 0;
  }

  isGroup(chunk: number): boolean {
    return this.#columns.kind[chunk] === groupKind;
  }

  /** Of a range that a producer named: its object. Null of others, and where a job names more objects than are kept. */
  objectOf(chunk: number): string | null {
    return this.#columns.kind[chunk] === kinds.indexOf('given') ? (this.#objects[(this.#columns.files[chunk] ?? 0) - 1] ?? null) : null;
  }

  /** Number in `segments` of the segment that lists a chunk; -1 where none does. Cheaper than `at`. */
  segmentOf(chunk: number): number {
    const number = chunk < this.#size ? (this.#columns.segment[chunk] ?? none) : none;
    return number === none ? -1 : number;
  }

  /** Whether a chunk reads a part of this file; a replay of its records does not. */
  reads(chunk: number, file: number): boolean {
    const first = this.#columns.file[chunk] ?? none;
    if (first === none || file < first || this.#columns.kind[chunk] === replayKind) return false;
    const gapped = this.#gapped.size === 0 ? undefined : this.#gapped.get(chunk);
    return gapped === undefined ? file < first + (this.#columns.files[chunk] ?? 0) : gapped.has(file);
  }

  /**
   * First and last file that a chunk reads a part of, by number; null of replays and of chunks that read none. Between them a file may be missing that
   * could not be planned: `reads` says.
   */
  filesOf(chunk: number): { readonly first: number; readonly last: number } | null {
    const first = this.#columns.file[chunk] ?? none;
    if (first === none || this.#columns.kind[chunk] === replayKind || !this.has(chunk)) return null;
    const gapped = this.#gapped.get(chunk);
    return { first, last: gapped === undefined ? first + (this.#columns.files[chunk] ?? 1) - 1 : Math.max(...gapped) };
  }

  /** Of a chunk of replayed rejects: the first generation whose plan lists it, which took them up. Null of others. */
  replayedIn(chunk: number): number | null {
    return this.#replayedIn.get(chunk) ?? null;
  }

  /** Of all chunks; 0 where there are none. */
  largestBytes(): number {
    let largest = 0;
    for (let chunk = 0; chunk < this.#size; chunk += 1) largest = Math.max(largest, this.#columns.bytes[chunk] ?? 0);
    return largest;
  }

  /** Its offsets are rows of a file of columns. */
  isOfRows(chunk: number): boolean {
    return this.#columns.kind[chunk] === kinds.indexOf('rows');
  }

  *replays(): Generator<number> {
    for (let chunk = 0; chunk < this.#size; chunk += 1) if (this.#columns.kind[chunk] === replayKind && this.has(chunk)) yield chunk;
  }

  #addFile({ file, input, uri, etag, size, header }: PlannedFile): void {
    if (this.files.has(file)) return;
    // Very many files have the same few headers.
    const text = JSON.stringify(header);
    const shared = this.#headers.get(text) ?? header;
    this.#headers.set(text, shared);
    this.files.set(file, { file, input, uri, etag, size, header: shared });
  }

  /** From 1; 0: there are too many to keep. */
  #objectNumber(uri: string): number {
    const known = this.#objectNumbers.get(uri);
    if (known !== undefined) return known;
    if (this.#objects.length >= keptObjects) return 0;
    const number = this.#objects.push(uri);
    this.#objectNumbers.set(uri, number);
    return number;
  }

  #addChunk(chunk: Chunk, segment: number): void {
    const at = chunk.chunk;
    if (at >= this.#columns.kind.length) this.#columns = grown(this.#columns, Math.max(at + 1, this.#columns.kind.length * 2));
    if (!this.has(at)) this.#count += 1;
    this.#size = Math.max(this.#size, at + 1);
    const columns = this.#columns;
    const [first, ...others] = filesOfChunk(chunk);
    const share = fileShares(chunk)[0];
    if (chunk.kind === 'files' && others.some((file, place) => file !== (first ?? 0) + place + 1)) this.#gapped.set(at, new Set([first ?? 0, ...others]));
    if (isReplay(chunk) && !this.#replayedIn.has(at)) this.#replayedIn.set(at, this.segments[segment]?.generation ?? 1);
    columns.segment[at] = segment;
    columns.kind[at] = isReplay(chunk) ? replayKind : kinds.indexOf(chunk.kind);
    columns.file[at] = first ?? none;
    // Of a range that a producer named it is the number of its object.
    columns.files[at] = chunk.kind === 'given' ? this.#objectNumber(chunk.uri) : first === undefined ? 0 : others.length + 1;
    columns.start[at] = startOf(chunk);
    columns.end[at] = endOf(chunk);
    columns.record[at] = share?.kind === 'range' ? share.record : share?.kind === 'rows' ? share.start + 1 : -1;
    columns.records[at] = plannedRecords(chunk) ?? -1;
    columns.bytes[at] = chunkBytes(chunk);
  }
}

/** Of a group its files count as if they stood one after another. */
function startOf(chunk: Chunk): number {
  if (chunk.kind === 'inline') return chunk.offset;
  return chunk.kind === 'files' || chunk.kind === 'partition' ? 0 : chunk.start;
}

function endOf(chunk: Chunk): number {
  if (chunk.kind === 'inline') return chunk.offset + chunk.length;
  return chunk.kind === 'files' || chunk.kind === 'partition' ? chunkBytes(chunk) : chunk.end;
}

const orNull = (value: number, absent: number): number | null => (value === absent ? null : value);

function columnsOf(length: number): Columns {
  return {
    segment: new Uint32Array(length).fill(none),
    kind: new Uint8Array(length),
    file: new Uint32Array(length),
    files: new Uint32Array(length),
    start: new Float64Array(length),
    end: new Float64Array(length),
    record: new Float64Array(length),
    records: new Float64Array(length),
    bytes: new Float64Array(length),
  };
}

function grown(columns: Columns, length: number): Columns {
  const larger = columnsOf(length);
  for (const name of Object.keys(larger) as (keyof Columns)[]) larger[name].set(columns[name]);
  return larger;
}
