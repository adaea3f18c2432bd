/**
 * Pure: an export as it comes back from a person. Spreadsheets save as they like, so encoding and delimiter are looked for; rows are known by `_reject_id`,
 * and other columns that begin with `_` are ignored but for `_raw` and `_extra`.
 */
import type { EditedRow } from './correct-record.ts';
import { type ExportShape, unguarded } from './export-rejects.ts';

export class EditedExportError extends Error {
  override readonly name = 'EditedExportError';
  readonly code = 'REQUEST_INVALID';
}

const own = ['_reject_id', '_file', '_record', '_line', '_byte', '_code', '_column', '_message', '_extra', '_raw'];

/** By id. Throws `EditedExportError` naming the row that cannot be read. */
export function readEditedExport(bytes: Uint8Array, shape: ExportShape): Map<string, EditedRow> {
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

function fromNdjson(text: string, shape: ExportShape): Map<string, EditedRow> {
  const rows = new Map<string, EditedRow>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const row = jsonObject(line, index + 1);
    const { _reject_id: id, _extra: extra, _raw: raw, ...rest } = row;
    if (typeof id !== 'string') throw new EditedExportError(`cannot read line ${index + 1}: expected a _reject_id`);
    const cells = new Map<string, string>();
    for (const [name, value] of Object.entries(rest)) if (!name.startsWith('_')) cells.set(checkedColumn(name, shape), cellOf(value));
    const surplus = Array.isArray(extra) ? extra.map(cellOf).join(shape.dialect?.delimiter ?? ',') : null;
    add(rows, id, { cells, extra: extra === undefined ? '' : surplus, raw: typeof raw === 'string' ? raw : null }, index + 1);
  }
  return rows;
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

function fromCsv(text: string, shape: ExportShape): Map<string, EditedRow> {
  const delimiters = [...new Set([shape.dialect?.delimiter ?? ',', ',', ';', '\t', '|'])];
  const delimiter = delimiters.find((candidate) => parseCsv(firstLine(text), candidate)[0]?.cells.includes('_reject_id'));
  if (delimiter === undefined) throw new EditedExportError('cannot read the edited file: its first line has no column _reject_id');
  const [head, ...lines] = parseCsv(text, delimiter);
  const header = head?.cells ?? [];
  for (const name of header) if (!name.startsWith('_')) checkedColumn(name, shape);
  const at = (name: string): number => header.indexOf(name);
  const rows = new Map<string, EditedRow>();
  for (const { cells, line } of lines) {
    if (cells.every((cell) => cell.trim() === '')) continue;
    const value = (name: string): string | null => (at(name) === -1 ? null : unguarded(cells[at(name)] ?? ''));
    const id = value('_reject_id')?.trim() ?? '';
    const named = header.filter((name) => !name.startsWith('_') && !own.includes(name));
    const fields = new Map(named.map((name) => [name, value(name) ?? ''] as const));
    add(rows, id, { cells: fields, extra: value('_extra'), raw: value('_raw') }, line);
  }
  return rows;
}

function add(rows: Map<string, EditedRow>, id: string, row: EditedRow, line: number): void {
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
  const lines: CsvLine[] = [];
  let cells: string[] = [];
  let cell = '';
  let [line, begun] = [1, 1];
  let isQuoted = false;
  const endCell = (): void => {
    cells.push(cell);
    cell = '';
  };
  const endLine = (): void => {
    endCell();
    lines.push({ cells, line: begun });
    cells = [];
    begun = line;
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (character === '\n' || (character === '\r' && text[at + 1] !== '\n')) line += 1;
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[++at];
      else isQuoted = false;
    } else if (character === '"' && cell === '') isQuoted = true;
    else if (text.startsWith(delimiter, at)) {
      endCell();
      at += delimiter.length - 1;
    } else if (character === '\n' || character === '\r') {
      if (character === '\r' && text[at + 1] === '\n') {
        at += 1;
        line += 1;
      }
      endLine();
    } else cell += character;
  }
  if (cell !== '' || cells.length > 0) endLine();
  return lines;
}
