/**
 * Pure: what a producer sent, as chunks of a plan. A range of an object is a chunk of its own; inline payloads go together, up to the size of a chunk.
 * The order is the one in which they were sent.
 */
import { type Chunk, canonicalJson, type GivenChunk, type InlineChunk, maxInlineChunkBytes, type SentChunk, sha256Hex } from '@millrace/protocol';

/** A chunk as sent, its bytes decoded. `digest` tells the same chunk sent again from another one under the same key. */
export type StreamPiece = { readonly key: string; readonly digest: string; readonly records: number | null } & (
  | { readonly uri: string; readonly range: readonly [start: number, end: number] | null; readonly etag: string | null }
  | { readonly bytes: Uint8Array }
);

/** An object at the version that stands there. */
export interface ObjectVersion {
  readonly uri: string;
  readonly etag: string;
  readonly size: number;
}

/** Pieces of a batch by key: `again` were sent twice in it, and `conflict` names a key that stands for two things. */
export interface ReadBatch {
  readonly pieces: readonly StreamPiece[];
  readonly again: number;
  readonly conflict: string | null;
}

export function readBatch(sent: readonly SentChunk[]): ReadBatch {
  const byKey = new Map<string, StreamPiece>();
  for (const piece of sent.map(pieceOf)) {
    const known = byKey.get(piece.key);
    if (known !== undefined && known.digest !== piece.digest) return { pieces: [], again: 0, conflict: piece.key };
    byKey.set(piece.key, piece);
  }
  return { pieces: [...byKey.values()], again: sent.length - byKey.size, conflict: null };
}

function pieceOf(sent: SentChunk): StreamPiece {
  const { key, records } = sent;
  if (!('inline' in sent)) {
    const { uri, range, etag } = sent;
    return { key, records, uri, range, etag, digest: digestOf(canonicalJson({ uri, range, etag, records })) };
  }
  const bytes = Buffer.from(sent.inline, 'base64');
  return { key, records, bytes, digest: digestOf(`${records ?? ''} ${sha256Hex(bytes)}`) };
}

/** 96 bits: they are kept for each chunk of a stream. */
const digestOf = (text: string): string => Buffer.from(sha256Hex(text), 'hex').toString('base64url').slice(0, 16);

/** Why a range cannot be one of this object, or null. */
export function rangeProblem([start, end]: readonly [number, number], { uri, size }: ObjectVersion): string | null {
  if (start > end) return `expected a range [start, end), got [${start}, ${end}) of ${uri}`;
  return end <= size ? null : `expected a range within the ${size} bytes of ${uri}, got [${start}, ${end})`;
}

export interface PlannedBatch {
  readonly chunks: readonly Chunk[];
  /** One behind another as the chunks name them; empty when nothing came inline. */
  readonly inline: Uint8Array;
}

/**
 * `objects` has the version of each URI that is named. `inlineKey` is where the payloads will lie. A chunk of payloads is closed when the next would take
 * it over `chunkBytes`.
 */
export function planBatch(
  pieces: readonly StreamPiece[],
  objects: ReadonlyMap<string, ObjectVersion>,
  of: { readonly firstChunk: number; readonly chunkBytes: number; readonly inlineKeyOf: (bytes: Uint8Array) => string },
): PlannedBatch {
  const inline = Buffer.concat(pieces.flatMap((piece) => ('bytes' in piece ? [piece.bytes] : [])));
  const key = inline.length === 0 ? '' : of.inlineKeyOf(inline);
  const chunks: Chunk[] = [];
  let open: InlineChunk | null = null;
  let offset = 0;
  const most = Math.min(of.chunkBytes, maxInlineChunkBytes);
  for (const piece of pieces) {
    if (!('bytes' in piece)) {
      // What is sent behind it comes behind it.
      open = null;
      chunks.push(givenChunk(of.firstChunk + chunks.length, piece, objects));
      continue;
    }
    const { length } = piece.bytes;
    if (open === null || open.length + length > most) {
      open = { chunk: of.firstChunk + chunks.length, kind: 'inline', key, offset, length: 0, sha256: '', payloads: [] };
      chunks.push(open);
    }
    open.payloads.push({ key: piece.key, offset: open.length, length, records: piece.records, digest: piece.digest });
    open.length += length;
    offset += length;
  }
  for (const chunk of chunks) if (chunk.kind === 'inline') chunk.sha256 = sha256Hex(inline.subarray(chunk.offset, chunk.offset + chunk.length));
  return { chunks, inline };
}

function givenChunk(chunk: number, piece: Extract<StreamPiece, { uri: string }>, objects: ReadonlyMap<string, ObjectVersion>): GivenChunk {
  const object = objects.get(piece.uri);
  if (object === undefined) throw new TypeError(`cannot plan chunk ${piece.key}: the version of ${piece.uri} is not known`);
  const [start, end] = piece.range ?? [0, object.size];
  return { chunk, kind: 'given', key: piece.key, ...object, start, end, records: piece.records, digest: piece.digest };
}
