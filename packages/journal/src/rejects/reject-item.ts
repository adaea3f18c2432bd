/** What a filter sees of a reject. Pure. */
import { type FilterItem, wordsField } from '@millrace/protocol';
import type { RejectRow } from './read-rejects.ts';

/** Nothing of what stood in the record: who may not see it must not find it out by searching. */
export function rejectItem(row: RejectRow, state: string): FilterItem {
  const { rejectId, stage, chunk, code, column, file, record, line, byte, byteEnd, message } = row;
  return {
    id: [rejectId, rejectId.slice(rejectId.indexOf('.') + 1)],
    stage,
    chunk,
    code: [code, ...row.errors.map((error) => error.code)],
    column: [...(column === null ? [] : [column]), ...row.errors.flatMap((error) => error.column ?? [])],
    file: [file, file.slice(file.lastIndexOf('/') + 1)],
    record,
    line,
    offset: byte === null ? null : { start: byte, end: Math.max(byte + 1, byteEnd ?? 0) },
    state,
    [wordsField]: [rejectId, code, message, file],
  };
}
