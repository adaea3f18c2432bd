/**
 * Pure: an export as it comes back from a person. Spreadsheets save as they like, so encoding and delimiter are looked for; rows are known by `_reject_id`,
 * and other columns that begin with `_` are ignored but for `_raw` and `_extra`.
 */
import { setImmediate as giveWay } from 'node:timers/promises';
import type { EditedRow } from './correct-record.ts';
import { type ExportShape, unguarded } from './export-rejects.ts';

export class EditedExportError extends Error {
  override readonly name = 'EditedExportError';
  readonly code = 'REQUEST_INVALID';
}

/** Before others have their turn. */
const rowsAtOnce = 2_000;
/** Of one line: far more than a file has columns. */
const maxCells = 100_000;

const own = ['_reject_id', '_file', '_record', '_line', '_byte', '_code', '_column', '_message', '_extra', '_raw'];

/** By id. Throws `EditedExportError` naming the row that cannot be read. */
export function readEditedExport(bytes: Uint8Array, shape: ExportShape): Map<string, EditedRow> {
  const rows = new Map<string, EditedRow>();
  for (const row of editedRows(bytes, shape)) add(rows, row);
  return rows;
}

/** The same, giving way to others again and again: what a server is sent may be large. */
export async function readEditedExportInTurns(bytes: Uint8Array, shape: ExportShape): Promise<Map<string, EditedRow>> {
  const rows = new Map<string, EditedRow>();
  let left = rowsAtOnce;
  for (const row of editedRows(bytes, shape)) {
    add(rows, row);
    left -= 1;
    if (left > 0) continue;
    await giveWay();
    left = rowsAtOnce;
  }
  return rows;
}

interface NumberedRow extends EditedRow {
  readonly id: string;
  /** From 1. */
  readonly line: number;
}

function editedRows(bytes: Uint8Array, shape: ExportShape): Generator<NumberedRow> {
  const text = decoded(bytes);
  return /^\s*\{/.test(text) ? fromNdjson(text, shape) : fromCsv(text, shape);
}

function decoded(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

function* fromNdjson(text: string, shape: ExportShape): Generator<NumberedRow> {
  for (let [start, number] = [0, 1]; start < text.length; number += 1) {
    const next = text.indexOf('\n', start);
    const end = next === -1 ? text.length : next;
    const line = text.slice(start, end);
    start = end + 1;
    if (line.trim() === '') continue;
    const { _reject_id: id, _extra: extra, _raw: raw, ...rest } = jsonObject(line, number);
    if (typeof id !== 'string') throw new EditedExportError(`cannot read line ${number}: expected a _reject_id`);
    const cells = new Map<string, string>();
    for (const [name, value] of Object.entries(rest)) if (!name.startsWith('_')) cells.set(checkedColumn(name, shape), cellOf(value));
    const surplus = Array.isArray(extra) ? extra.map(cellOf).join(shape.dialect?.delimiter ?? ',') : null;
    yield { id, cells, extra: extra === undefined ? '' : surplus, raw: typeof raw === 'string' ? raw : null, line: number };
  }
}

function jsonObject(line: string, number: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = null;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new EditedExportError(`cannot read line ${number}: expected a JSON object`);
}

const cellOf = (value: unknown): string => (value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value));

function* fromCsv(text: string, shape: ExportShape): Generator<NumberedRow> {
  const delimiters = [...new Set([shape.dialect?.delimiter ?? ',', ',', ';', '\t', '|'])];
  const delimiter = delimiters.find((candidate) => parseCsv(firstLine(text), candidate)[0]?.cells.includes('_reject_id'));
  if (delimiter === undefined) throw new EditedExportError('cannot read the edited file: its first line has no column _reject_id');
  const lines = csvLines(text, delimiter);
  const header = lines.next().value?.cells ?? [];
  for (const name of header) if (!name.startsWith('_')) checkedColumn(name, shape);
  const named = header.flatMap((name, at) => (name.startsWith('_') || own.includes(name) ? [] : [[name, at] as const]));
  const [idAt, extraAt, rawAt] = ['_reject_id', '_extra', '_raw'].map((name) => header.indexOf(name)) as [number, number, number];
  for (const { cells, line } of lines) {
    if (cells.every((cell) => cell.trim() === '')) continue;
    const value = (at: number): string | null => (at === -1 ? null : unguarded(cells[at] ?? ''));
    const fields = new Map(named.map(([name, at]) => [name, value(at) ?? '']));
    yield { id: value(idAt)?.trim() ?? '', cells: fields, extra: value(extraAt), raw: value(rawAt), line };
  }
}

function add(rows: Map<string, EditedRow>, { id, line, ...row }: NumberedRow): void {
  if (id === '') throw new EditedExportError(`cannot read line ${line}: its _reject_id is empty`);
  if (rows.has(id)) throw new EditedExportError(`cannot read line ${line}: ${id} stands there twice`);
  rows.set(id, row);
}

function checkedColumn(name: string, shape: ExportShape): string {
  if (shape.columns.includes(name)) return name;
  throw new EditedExportError(`cannot read the edited file: there is no column ${JSON.stringify(name)}, only ${shape.columns.join(', ')}`);
}

const firstLine = (text: string): string => text.slice(0, text.search(/[\r\n]|$/));

interface CsvLine {
  readonly cells: readonly string[];
  /** From 1. */
  readonly line: number;
}

/** As spreadsheets write it: quotes around what needs them, doubled inside. */
export function parseCsv(text: string, delimiter: string): CsvLine[] {
  return [...csvLines(text, delimiter)];
}

/** The same line by line. Goes from one special character to the next, for an export may have very many plain ones. */
function* csvLines(text: string, delimiter: string): Generator<CsvLine, void> {
  const special = new RegExp(`[\\r\\n]|${delimiter.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`, 'g');
  let cells: string[] = [];
  let [at, line, begun] = [0, 1, 1];
  while (at < text.length) {
    let cell = '';
    // A quote opens only at the beginning of a cell.
    while (cell === '' && text[at] === '"') {
      const quoted = quotedPiece(text, at + 1);
      cell += quoted.value;
      line += lineEndsIn(text, at, quoted.end);
      at = quoted.end;
    }
    special.lastIndex = at;
    const found = special.exec(text);
    cells.push(cell + text.slice(at, found?.index ?? text.length));
    if (cells.length > maxCells) throw new EditedExportError(`cannot read line ${begun}: expected at most ${maxCells} cells`);
    at = found === null ? text.length : found.index + found[0].length;
    if (found !== null && found[0] === delimiter) {
      // Behind the last delimiter of the text stands an empty cell.
      if (at < text.length) continue;
      cells.push('');
    }
    // The text ends behind a line end, or behind two quotes with nothing in them.
    if (found === null && cells.length === 1 && cells[0] === '') return;
    if (found?.[0] === '\r' && text[at] === '\n') at += 1;
    yield { cells, line: begun };
    line += 1;
    cells = [];
    begun = line;
  }
}

/** Behind the quote that opens it up to the one that closes it, or the end of the text. */
function quotedPiece(text: string, start: number): { readonly value: string; readonly end: number } {
  let value = '';
  for (let at = start; ; ) {
    const quote = text.indexOf('"', at);
    if (quote === -1) return { value: value + text.slice(at), end: text.length };
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') return { value, end: quote + 1 };
    value += '"';
    at = quote + 2;
  }
}

function lineEndsIn(text: string, start: number, end: number): number {
  let ends = 0;
  for (let at = start; at < end; at += 1) if (text[at] === '\n' || (text[at] === '\r' && text[at + 1] !== '\n')) ends += 1;
  return ends;
}
