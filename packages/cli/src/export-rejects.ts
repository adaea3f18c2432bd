/**
 * Pure: rejects as a file that a person edits. Place and reason come first, then the fields as they were read, then what did not fit. Exports for
 * spreadsheets guard cells that these would run; data outputs are never touched.
 */
import type { JobView } from '@millrace/journal';
import type { DialectPins } from '@millrace/protocol';
import type { RejectRow } from './read-rejects.ts';

export interface ExportShape {
  /** Column names of all files, in order of first sight. */
  readonly columns: readonly string[];
  /** The header of each file by its URI: files may have their columns in different orders. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Of the first input: its delimiter is that of the export. */
  readonly dialect: DialectPins | null;
  /** How each file is cut into fields, by its URI; the first input's dialect where a file is not named. */
  readonly dialects: ReadonlyMap<string, DialectPins | null>;
}

const PLACE = ['_reject_id', '_file', '_record', '_line', '_byte', '_code', '_column', '_message'] as const;
const REST = ['_extra', '_raw'] as const;
const LINE_END = '\r\n';
const BYTE_ORDER_MARK = '\u{feff}';

export function exportShape(view: JobView): ExportShape {
  const inputs = view.pins?.record.inputs ?? [];
  const files = view.plans.flatMap(({ segments }) => segments.flatMap(({ record }) => record.files));
  const headers = new Map(files.map(({ uri, header }) => [uri, header]));
  const dialects = new Map(files.map(({ uri, input }) => [uri, inputs[input]?.dialect ?? null]));
  const columns = [...new Set(inputs.flatMap((pins) => pins.columns))];
  return { columns, headers, dialect: inputs[0]?.dialect ?? null, dialects };
}

/** Begins with a byte order mark and uses the input's delimiter, so that a spreadsheet opens it right. */
export function exportCsvHeader(shape: ExportShape): string {
  return BYTE_ORDER_MARK + csvLine(shape, [...PLACE, ...shape.columns, ...REST]);
}

export function exportCsvRow(shape: ExportShape, row: RejectRow): string {
  const { fields, extra, raw } = fieldsOf(shape, row);
  const place = [row.rejectId, row.file, String(row.record), String(row.line ?? ''), String(row.byte ?? ''), row.code, row.column ?? '', row.message];
  const cells = shape.columns.map((name) => fields.get(name) ?? '');
  return csvLine(shape, [...place, ...cells, extra.join(shape.dialect?.delimiter ?? ','), raw]);
}

export function exportNdjsonRow(shape: ExportShape, row: RejectRow): string {
  const { fields, extra, raw } = fieldsOf(shape, row);
  const place = {
    _reject_id: row.rejectId,
    _file: row.file,
    _record: row.record,
    _line: row.line,
    _byte: row.byte,
    _code: row.code,
    _column: row.column,
    _message: row.message,
  };
  const cells = Object.fromEntries(fields);
  return `${JSON.stringify({ ...place, ...cells, ...(extra.length > 0 ? { _extra: extra } : {}), ...(raw === '' ? {} : { _raw: raw }) })}\n`;
}

/** The record cut into fields where that can be done; else its text as a whole. */
function fieldsOf(
  shape: ExportShape,
  row: RejectRow,
): { readonly fields: ReadonlyMap<string, string>; readonly extra: readonly string[]; readonly raw: string } {
  const text = row.raw.replace(/\r?\n$|\r$/, '');
  const dialect = shape.dialects.has(row.file) ? (shape.dialects.get(row.file) ?? null) : shape.dialect;
  const cells = dialect === null ? null : cutRecord(text, dialect);
  if (cells === null) return { fields: new Map(), extra: [], raw: text };
  const header = shape.headers.get(row.file) ?? shape.columns;
  const fields = new Map(header.flatMap((name, index) => (cells[index] === undefined ? [] : [[name, cells[index]] as const])));
  return { fields, extra: cells.slice(header.length), raw: '' };
}

/** Null when the quoting of the record cannot be followed: then nobody can say which field is which. */
export function cutRecord(text: string, dialect: Pick<DialectPins, 'delimiter' | 'quoteChar' | 'doubleQuote' | 'escapeChar'>): string[] | null {
  const { delimiter, quoteChar, escapeChar } = dialect;
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    const field = quoteChar !== '' && text.startsWith(quoteChar, at) ? quotedField(text, at, dialect) : plainField(text, at, delimiter, quoteChar, escapeChar);
    if (field === null) return null;
    cells.push(field.value);
    if (field.end >= text.length) return cells;
    at = field.end + delimiter.length;
  }
}

interface Field {
  readonly value: string;
  /** Where the delimiter behind it begins, or the end of the text. */
  readonly end: number;
}

function plainField(text: string, at: number, delimiter: string, quote: string, escapeChar: string): Field | null {
  let value = '';
  let position = at;
  while (position < text.length && !text.startsWith(delimiter, position)) {
    if (escapeChar !== '' && text.startsWith(escapeChar, position)) position += escapeChar.length;
    else if (quote !== '' && text.startsWith(quote, position)) return null;
    value += text[position] ?? '';
    position += 1;
  }
  return { value, end: position };
}

function quotedField(text: string, at: number, dialect: Pick<DialectPins, 'delimiter' | 'quoteChar' | 'doubleQuote' | 'escapeChar'>): Field | null {
  const { delimiter, quoteChar, doubleQuote, escapeChar } = dialect;
  let value = '';
  for (let position = at + 1; position < text.length; position += 1) {
    if (escapeChar !== '' && text[position] === escapeChar) {
      position += 1;
    } else if (text[position] === quoteChar) {
      if (!(doubleQuote && text[position + 1] === quoteChar)) {
        const end = position + 1;
        return end === text.length || text.startsWith(delimiter, end) ? { value, end } : null;
      }
      position += 1;
    }
    value += text[position] ?? '';
  }
  return null;
}

function csvLine(shape: ExportShape, cells: readonly string[]): string {
  const delimiter = shape.dialect?.delimiter ?? ',';
  return cells.map((cell) => csvCell(guarded(cell), delimiter)).join(delimiter) + LINE_END;
}

const csvCell = (cell: string, delimiter: string): string =>
  cell.includes('"') || cell.includes(delimiter) || /[\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;

/** A leading `'` before what a spreadsheet would run, and before cells that begin with one, so that it can be taken off again. */
export function guarded(cell: string): string {
  return /^[\s\u0000]*[=+\-@\t\r\u0000']/.test(cell) && !/^-?\d+(\.\d+)?$/.test(cell) ? `'${cell}` : cell;
}
