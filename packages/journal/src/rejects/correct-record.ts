/**
 * Pure: an edited export against what was exported. What was left as it was keeps its bytes, whatever they are; a changed cell is written in the dialect and
 * encoding of its file; everything else about the record, its place above all, stays.
 */
import type { CutReject, ExportShape } from './export-rejects.ts';
import { cutReject, exportedFields } from './export-rejects.ts';
import type { RejectRow } from './read-rejects.ts';

/** A row of the edited file. A column that the file has no more counts as left alone. */
export interface EditedRow {
  readonly cells: ReadonlyMap<string, string>;
  readonly extra: string | null;
  readonly raw: string | null;
}

export type Correction =
  | { readonly bytes: Uint8Array /** Names of changed columns; `_raw` and `_extra` among them. None: as it was. */; readonly changed: readonly string[] }
  | { readonly cannot: string };

/** The record as it was read. */
export function unchangedRecord(row: RejectRow): Correction {
  if (row.rawTruncated) return { cannot: 'only the beginning of the record was kept' };
  return { bytes: Buffer.from(row.rawBase64, 'base64'), changed: [] };
}

export function correctRecord(shape: ExportShape, row: RejectRow, edited: EditedRow): Correction {
  const before = exportedFields(shape, row);
  const cut = cutReject(shape, row);
  const delimiter = shape.dialect?.delimiter ?? ',';
  if (edited.raw !== null && edited.raw !== '' && !isSame(edited.raw, before.raw)) return wholeRecord(cut, edited.raw);
  const changed = [...edited.cells].flatMap(([name, value]) => (isSame(value, before.fields.get(name) ?? '') ? [] : [name]));
  const isExtraSame = edited.extra === null || isSame(edited.extra, before.extra.join(delimiter));
  if (!isExtraSame) changed.push('_extra');
  if (changed.length === 0) return unchangedRecord(row);
  const foreign = changed.find((name) => name !== '_extra' && !cut.header.includes(name));
  if (foreign !== undefined) return { cannot: `its file has no column ${JSON.stringify(foreign)}` };
  if (row.rawTruncated && cut.cells !== null) return { cannot: 'only the beginning of the record was kept; write the whole record into _raw' };
  if (cut.dialect === null) return { cannot: 'records of this format are corrected as a whole, in _raw' };
  return fromCells(cut, edited, { changed, isExtraSame });
}

/** Spreadsheets write the line ends inside of cells in their own way. */
const isSame = (a: string, b: string): boolean => a === b || a.replace(/\r\n?/g, '\n') === b.replace(/\r\n?/g, '\n');

function wholeRecord({ text, lineEnd, cells, dialect }: CutReject, raw: string): Correction {
  const written = text.write(raw.replace(/\r?\n$|\r$/, ''));
  if (written === null) return notWritable('_raw');
  if (written === '') return { cannot: 'the corrected record is empty' };
  const isText = cells !== null || dialect !== null;
  return { bytes: text.bytes(written + (lineEnd || (isText ? endOf(text) : '\n'))), changed: ['_raw'] };
}

function fromCells(cut: CutReject, edited: EditedRow, { changed, isExtraSame }: { changed: readonly string[]; isExtraSame: boolean }): Correction {
  const { text, header, cells, body, dialect, lineEnd } = cut;
  if (dialect === null) return { cannot: 'the dialect of its file is not known' };
  const pieces: string[] = [];
  for (const [index, name] of header.entries()) {
    const cell = cells?.[index];
    const isChanged = changed.includes(name);
    if (cell && !isChanged) {
      pieces.push(body.slice(cell.start, cell.end));
      continue;
    }
    const written = text.write(edited.cells.get(name) ?? '');
    if (written === null) return notWritable(name);
    const quoted = quotedCell(written, dialect);
    if (quoted === null) return { cannot: `column ${JSON.stringify(name)}: the dialect of the file cannot hold this value` };
    pieces.push(quoted);
  }
  const surplus = (cells ?? []).slice(header.length).map(({ start, end }) => body.slice(start, end));
  const extra = isExtraSame ? surplus : writtenExtra(text.write(edited.extra ?? ''));
  if (extra === null) return notWritable('_extra');
  const line = [...pieces, ...extra].join(dialect.delimiter);
  // A record of one empty column would be a blank line.
  const whole = line === '' && dialect.quoteChar !== '' ? dialect.quoteChar.repeat(2) : line;
  return { bytes: text.bytes(whole + (lineEnd || endOf(text))), changed };
}

const writtenExtra = (written: string | null): string[] | null => (written === null ? null : written === '' ? [] : [written]);

const endOf = (text: CutReject['text']): string => text.write('\n') ?? '\n';

const notWritable = (name: string): Correction => ({ cannot: `${name}: the encoding of its file has no such character, or cannot be written` });

/** Null: this dialect has no way to write it. */
export function quotedCell(value: string, { delimiter, quoteChar, doubleQuote, escapeChar }: NonNullable<CutReject['dialect']>): string | null {
  const needs =
    value.includes(delimiter) || /[\r\n]/.test(value) || (quoteChar !== '' && value.includes(quoteChar)) || (escapeChar !== '' && value.includes(escapeChar));
  if (!needs) return value;
  if (quoteChar === '') {
    if (escapeChar === '' || /[\r\n]/.test(value)) return null;
    return value.replaceAll(escapeChar, escapeChar + escapeChar).replaceAll(delimiter, escapeChar + delimiter);
  }
  const escaped = escapeChar === '' ? value : value.replaceAll(escapeChar, escapeChar + escapeChar);
  if (!escaped.includes(quoteChar)) return quoteChar + escaped + quoteChar;
  if (doubleQuote) return quoteChar + escaped.replaceAll(quoteChar, quoteChar + quoteChar) + quoteChar;
  return escapeChar === '' ? null : quoteChar + escaped.replaceAll(quoteChar, escapeChar + quoteChar) + quoteChar;
}
