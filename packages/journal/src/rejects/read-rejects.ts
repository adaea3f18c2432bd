/** Rejects as receipts name them, read from their Parquet files by a core, page by page; and which of them a replay has taken the place of. */
import { isKeyStage, isReplay, type ManifestPart } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import type { JobView } from '../read-job.ts';
import type { CoreLike } from '../store.ts';

export interface RejectRow {
  readonly rejectId: string;
  readonly stage: string;
  readonly chunk: number;
  readonly file: string;
  readonly etag: string;
  /** Null where nobody has counted the records before it: in a range that the producer of a stream named. */
  readonly record: number | null;
  /** These five are null in files that are no text. */
  readonly line: number | null;
  readonly byte: number | null;
  readonly byteEnd: number | null;
  readonly errorLine: number | null;
  readonly errorByte: number | null;
  readonly column: string | null;
  readonly columnIndex: number | null;
  readonly code: string;
  readonly message: string;
  readonly expected: string | null;
  readonly value: string | null;
  /** As text, invalid UTF-8 replaced; `rawBase64` holds the bytes. */
  readonly raw: string;
  readonly rawBase64: string;
  readonly rawTruncated: boolean;
  readonly errors: readonly { readonly code: string; readonly column: string | null; readonly byte: number | null; readonly message: string }[];
}

const PAGE_ROWS = 1_000;
const DEADLINE_MS = 120_000;

/** In the order of the files, which in a manifest is that of chunks, then of records. `replaced`: ids of rejects that are none any more. */
export async function* readRejects(
  core: CoreLike,
  files: Iterable<ManifestPart> | AsyncIterable<ManifestPart>,
  replaced: ReadonlySet<string> = new Set(),
): AsyncGenerator<RejectRow> {
  for await (const file of files) {
    for (let start = 0; start < file.rows; ) {
      const rows = await readRejectRows(core, file.uri, { start, rows: PAGE_ROWS });
      if (rows.length === 0) break;
      for (const row of rows) if (!replaced.has(row.rejectId)) yield row;
      start += rows.length;
    }
  }
}

/** Some rows of one file, from `start` on; fewer than asked where the file ends, or where they would not fit into one answer. */
export async function readRejectRows(
  core: CoreLike,
  uri: string,
  { start, rows, signal }: { readonly start: number; readonly rows: number; readonly signal?: AbortSignal },
): Promise<RejectRow[]> {
  const input = { uri, connection: null, etag: '', size: 0 };
  const rest = { connection: null, jobKey: null, record: null, parts: null, spec: null };
  const message = { type: 'Inspect', what: 'rows', input, start, end: start + rows, ...rest } as const;
  const answer = await core.request(message, { deadlineMs: DEADLINE_MS, ...(signal && { signal }) });
  if (answer.failed !== null) {
    const code = answer.failed.code === 'INPUT_NOT_FOUND' ? 'GONE' : 'STORAGE_UNAVAILABLE';
    throw new AppError(code, `cannot read ${uri}: ${answer.failed.message}`);
  }
  const lines = new TextDecoder().decode(answer.payload).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RejectRow);
}

/** How a reject stands with the replays that named it: taken up by a chunk that committed, or by one that is dead or still open. */
export interface Replayed {
  /** Replayed: the record has its newest fate in that chunk's receipt. */
  readonly replaced: ReadonlySet<string>;
  /** Reject → the chunk that names it and has not committed, as `<stage>.<chunk>`. */
  readonly pending: ReadonlyMap<string, string>;
}

/**
 * By the names of verdicts alone where nothing was replayed. `isCommitted` reads the outcome of a chunk. Where keys are unique a record has its fate
 * behind the pass over its keys: until the chunk there has committed it is named by that pass, then by that chunk.
 */
export async function replayedRejects(view: JobView, isCommitted: (chunk: JobView['chunks'][number]) => Promise<boolean>): Promise<Replayed> {
  const replaced = new Set<string>();
  const pending = new Map<string, string>();
  for (const chunk of view.chunks) {
    if (!isReplay(chunk.chunk)) continue;
    const isPass = isKeyStage(chunk.stage);
    const committed = !isPass && (await isCommitted(chunk));
    for (const { key } of chunk.chunk.payloads) {
      if (committed) replaced.add(key);
      else if (!isPass || !pending.has(key)) pending.set(key, `${chunk.stage}.${chunk.chunk.chunk}`);
    }
  }
  for (const key of replaced) pending.delete(key);
  return { replaced, pending };
}
