/**
 * Pure: rejects as a file that a person edits. Place and reason come first, then the fields as they were read, then what did not fit. Exports for
 * spreadsheets guard cells that these would run; data outputs are never touched.
 */
import type { DialectPins, InputPins } from '@millrace/protocol';

import type { JobView } from '../read-job.ts';
import type { IndexedFile } from '../reading/plan-index.ts';
import type { RejectRow } from './read-rejects.ts';
import { type RecordText, recordText } from './record-text.ts';

export interface ExportShape {
  /** Column names of all files, in order of first sight. */
  readonly columns: readonly string[];
  /** The header of each file by its URI: files may have their columns in different orders. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Of the first input: its delimiter is that of the export. */
  readonly dialect: DialectPins | null;
  /** How each file is cut into fields, by its URI; the first input's dialect where a file is not named. */
  readonly dialects: ReadonlyMap<string, DialectPins | null>;
  /** The encoding of each file, by its URI; UTF-8 where a file is not named. */
  readonly encodings: ReadonlyMap<string, string>;
}

const PLACE = ['_reject_id', '_file', '_record', '_line', '_byte', '_code', '_column', '_message'] as const;
const REST = ['_extra', '_raw'] as const;
const LINE_END = '\r\n';
const BYTE_ORDER_MARK = '\u{feff}';

/** A job with its planned files: its whole view, or what an index of its plans knows of them. */
export type PlannedView = Pick<JobView, 'pins'> & (Pick<JobView, 'plans'> | { readonly files: Iterable<IndexedFile> });

export function plannedFiles(view: PlannedView): readonly Pick<IndexedFile, 'file' | 'input' | 'uri' | 'header'>[] {
  return 'files' in view ? [...view.files] : view.plans.flatMap(({ segments }) => segments.flatMap(({ record }) => record.files));
}

export function exportShape(view: PlannedView): ExportShape {
  const inputs = view.pins?.record.inputs ?? [];
  const files = plannedFiles(view);
  const headers = new Map(files.map(({ uri, header }) => [uri, header]));
  const read = filesAsRead(view);
  const dialects = new Map([...read].map(([uri, { dialect }]) => [uri, dialect]));
  const encodings = new Map([...read].map(([uri, { encoding }]) => [uri, encoding]));
  const columns = [...new Set([...inputs, ...(view.pins?.record.files ?? [])].flatMap((pins) => pins.columns))];
  return { columns, headers, dialect: inputs[0]?.dialect ?? null, dialects, encodings };
}

/** How each planned file is read, by its URI: in its own way under `pin: file`, else as its input. */
export function filesAsRead(view: PlannedView): Map<string, Pick<InputPins, 'format' | 'dialect' | 'encoding'>> {
  const { inputs = [], files: ownPins = [] } = view.pins?.record ?? {};
  const own = new Map(ownPins.map((pins) => [pins.file, pins]));
  const files = plannedFiles(view);
  return new Map(
    files.flatMap(({ uri, file, input }) => {
      const pins = own.get(file) ?? inputs[input];
      return pins === undefined ? [] : [[uri, pins] as const];
    }),
  );
}

/** Begins with a byte order mark and uses the input's delimiter, so that a spreadsheet opens it right. */
export function exportCsvHeader(shape: ExportShape): string {
  return BYTE_ORDER_MARK + csvLine(shape, [...PLACE, ...shape.columns, ...REST]);
}

export function exportCsvRow(shape: ExportShape, row: RejectRow): string {
  const { fields, extra, raw } = exportedFields(shape, row);
  const place = [row.rejectId, row.file, String(row.record ?? ''), String(row.line ?? ''), String(row.byte ?? ''), row.code, row.column ?? '', row.message];
  const cells = shape.columns.map((name) => fields.get(name) ?? '');
  return csvLine(shape, [...place, ...cells, extra.join(shape.dialect?.delimiter ?? ','), raw]);
}

export function exportNdjsonRow(shape: ExportShape, row: RejectRow): string {
  const { fields, extra, raw } = exportedFields(shape, row);
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

/** A record as it is exported. Where it can be cut, `raw` is empty; else `raw` is its text and there are no fields. */
export interface ExportedFields {
  readonly fields: ReadonlyMap<string, string>;
  readonly extra: readonly string[];
  readonly raw: string;
}

export function exportedFields(shape: ExportShape, row: RejectRow): ExportedFields {
  const { cells, text, body, header } = cutReject(shape, row);
  if (cells === null) return { fields: new Map(), extra: [], raw: text.show(body) };
  const values = cells.map(({ value }) => text.show(value));
  const fields = new Map(header.flatMap((name, index) => (values[index] === undefined ? [] : [[name, values[index]] as const])));
  return { fields, extra: values.slice(header.length), raw: '' };
}

/** A reject cut into its cells, each with its place in `body`, the record without its line end. */
export interface CutReject {
  readonly text: RecordText;
  readonly body: string;
  readonly lineEnd: string;
  /** Null when nobody can say which field is which. */
  readonly cells: readonly Cell[] | null;
  /** Columns of the file that the record is from. */
  readonly header: readonly string[];
  /** As the cutting needs it: its characters written as the record's are. */
  readonly dialect: CutDialect | null;
}

export type CutDialect = Pick<DialectPins, 'delimiter' | 'quoteChar' | 'doubleQuote' | 'escapeChar'>;

export function cutReject(shape: ExportShape, row: RejectRow): CutReject {
  const text = recordText(shape.encodings.get(row.file) ?? 'utf-8');
  const whole = text.of(Buffer.from(row.rawBase64, 'base64'));
  const lineEnd = /\r?\n$|\r$/.exec(whole)?.[0] ?? '';
  const body = whole.slice(0, whole.length - lineEnd.length);
  const pinned = shape.dialects.has(row.file) ? (shape.dialects.get(row.file) ?? null) : shape.dialect;
  const written = (characters: string): string => text.write(characters) ?? characters;
  const dialect = pinned && {
    delimiter: written(pinned.delimiter),
    quoteChar: written(pinned.quoteChar),
    escapeChar: written(pinned.escapeChar),
    doubleQuote: pinned.doubleQuote,
  };
  return { text, body, lineEnd, cells: dialect && cutCells(body, dialect), header: shape.headers.get(row.file) ?? shape.columns, dialect };
}

/** Null when the quoting of the record cannot be followed. */
export function cutRecord(text: string, dialect: CutDialect): string[] | null {
  return cutCells(text, dialect)?.map(({ value }) => value) ?? null;
}

export interface Cell {
  readonly value: string;
  readonly start: number;
  /** Where the delimiter behind it begins, or the end of the text. */
  readonly end: number;
}

export function cutCells(text: string, dialect: CutDialect): Cell[] | null {
  const { delimiter, quoteChar, escapeChar } = dialect;
  const cells: Cell[] = [];
  let at = 0;
  for (;;) {
    const field = quoteChar !== '' && text.startsWith(quoteChar, at) ? quotedField(text, at, dialect) : plainField(text, at, delimiter, quoteChar, escapeChar);
    if (field === null) return null;
    cells.push({ ...field, start: at });
    if (field.end >= text.length) return cells;
    at = field.end + delimiter.length;
  }
}

interface Field {
  readonly value: string;
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

function quotedField(text: string, at: number, dialect: CutDialect): Field | null {
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

/** What `guarded` was given: a correction loses the quote that an export put there. */
export function unguarded(cell: string): string {
  return cell.startsWith("'") && guarded(cell.slice(1)) === cell ? cell.slice(1) : cell;
}
