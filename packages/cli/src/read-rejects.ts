/** Rejects as the receipts name them: read from their Parquet files by a core, page by page. */
import type { Manifest, ManifestPart } from '@millrace/protocol';
import type { Directory } from './directory.ts';
import type { FirstReject } from './run-report.ts';

export interface RejectRow {
  readonly rejectId: string;
  readonly stage: string;
  readonly chunk: number;
  readonly file: string;
  readonly etag: string;
  readonly record: number;
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

/** In input order: by chunk, then record. */
export async function* readRejects(directory: Directory, files: readonly ManifestPart[]): AsyncGenerator<RejectRow> {
  const ordered = [...files].sort((a, b) => chunkOf(a) - chunkOf(b));
  for (const file of ordered) {
    for (let start = 0; start < file.rows; ) {
      const rows = await readPage(directory, file.uri, start);
      if (rows.length === 0) break;
      yield* rows;
      start += rows.length;
    }
  }
}

const chunkOf = ({ chunk }: ManifestPart): number => Number(chunk.slice(chunk.lastIndexOf('.') + 1));

async function readPage({ core }: Directory, uri: string, start: number): Promise<RejectRow[]> {
  const input = { uri, connection: null, etag: '', size: 0 };
  const message = {
    type: 'Inspect',
    what: 'rows',
    input,
    connection: null,
    jobKey: null,
    start,
    end: start + PAGE_ROWS,
    record: null,
    parts: null,
    spec: null,
  } as const;
  const answer = await core.request(message, { deadlineMs: DEADLINE_MS });
  if (answer.failed !== null) throw new Error(`cannot read ${uri}: ${answer.failed.message}`);
  const lines = new TextDecoder().decode(answer.payload).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RejectRow);
}

/** The first reject of each code, for the summary; stops as soon as every code has been seen. */
export async function firstRejects(directory: Directory, manifest: Manifest): Promise<Map<string, FirstReject>> {
  const first = new Map<string, FirstReject>();
  const codes = Object.keys(manifest.byCode).length;
  for await (const { code, line, column, message } of readRejects(directory, manifest.rejects)) {
    if (!first.has(code)) first.set(code, { line, column, message });
    if (first.size >= codes) break;
  }
  return first;
}
