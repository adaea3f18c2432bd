/** Rejects as they are shown; their content only when it was asked for and recorded. Pure. */
import type { RejectDetail, RejectView } from '@millrace/api-contract';
import { maxWindowBytes, shownOfRecord } from '@millrace/api-contract';
import { type ExportShape, exportedFields, type RejectRow } from '@millrace/journal';
import type { ChunkId, JobId } from '@millrace/protocol';
import type { FoundReject } from './find-rejects.ts';

/** `shown`: how many bytes of the record; 0 without content. */
function viewOf({ row, state }: FoundReject, jobId: JobId, shown: number): RejectView {
  const { rejectId, stage, chunk, file, etag, record, line, byte, byteEnd, errorLine, errorByte, column, columnIndex, code, message, expected, value } = row;
  const raw = Buffer.from(row.rawBase64, 'base64');
  return {
    rejectId,
    jobId,
    chunkId: `${jobId}.${stage}.${chunk}` as ChunkId,
    stage,
    state,
    file,
    etag,
    record,
    line,
    byte,
    byteEnd,
    errorLine,
    errorByte,
    column,
    columnIndex,
    code,
    message,
    expected,
    value: shown > 0 ? value : null,
    valueCharacters: value === null ? null : [...value].length,
    raw: shown > 0 ? raw.subarray(0, shown).toString('base64') : null,
    rawBytes: raw.length,
    rawTruncated: row.rawTruncated,
    errors: row.errors.map((error) => ({ code: error.code, column: error.column, byte: error.byte, message: error.message })),
  };
}

export const rejectInList = (found: FoundReject, jobId: JobId, withContent: boolean): RejectView => viewOf(found, jobId, withContent ? shownOfRecord : 0);

export const rejectAlone = (found: FoundReject, jobId: JobId, withContent: boolean): RejectView => viewOf(found, jobId, withContent ? maxWindowBytes : 0);

/** Null where nobody can say which field is which. */
export function fieldsOf(shape: ExportShape, row: RejectRow): RejectDetail['fields'] {
  const { fields, extra, raw } = exportedFields(shape, row);
  if (raw !== '') return null;
  return [...[...fields].map(([name, value]) => ({ name, value })), ...extra.map((value) => ({ name: null, value }))];
}
