/** A place in an input as `peek` shows it: what is asked for, what was found there, and both in lines for people. Pure. */
import type { RejectRow } from '@millrace/journal';
import { codeInfo } from '@millrace/protocol';
import { type CommandCall, type FlagValues, textFlag } from './command.ts';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';
import { count } from './output.ts';
import { messageOf } from './reject-text.ts';

export const usualBytes = 256;
export const mostBytes = 65_536;

export interface WantedPlace {
  readonly what: { readonly reject: string } | { readonly record: number } | { readonly at: number };
  /** A number from 0, or the end of its name; undefined: the only one. */
  readonly file: string | undefined;
  /** Length of the window. */
  readonly bytes: number;
}

export function wantedPlace(flags: FlagValues): WantedPlace {
  const [reject, record, at] = [textFlag(flags, 'reject'), wholeNumber(flags, 'record'), wholeNumber(flags, 'at')];
  if ([reject, record, at].filter((one) => one !== undefined).length !== 1)
    throw new CommandError(exitCodes.usage, 'expected one of --at OFFSET, --record N and --reject ID', '`--reject 1` is the first reject.');
  const what = reject !== undefined ? { reject } : record !== undefined ? { record } : { at: at ?? 0 };
  const bytes = wholeNumber(flags, 'bytes') ?? usualBytes;
  if (bytes < 1 || bytes > mostBytes) throw new CommandError(exitCodes.usage, `expected 1 to ${mostBytes} for --bytes, got ${bytes}`);
  return { what, file: textFlag(flags, 'file'), bytes };
}

function wholeNumber(flags: FlagValues, name: string): number | undefined {
  const text = textFlag(flags, name);
  if (text === undefined) return undefined;
  const value = Number(text.replaceAll(/[,_]/g, ''));
  if (!Number.isSafeInteger(value) || value < 0) throw new CommandError(exitCodes.usage, `expected a whole number for --${name}, got ${JSON.stringify(text)}`);
  return value;
}

export interface RecordView {
  readonly record: number;
  /** Null of a row of a Parquet or Arrow file. */
  readonly line: number | null;
  readonly byte: number | null;
  readonly byteEnd: number | null;
  readonly rawBase64: string;
  readonly header: readonly string[];
  readonly fields: readonly string[];
  readonly reject: {
    readonly code: string | null;
    readonly errors: readonly { readonly code: string; readonly column: string | null; readonly byte: number | null; readonly message: string }[];
  } | null;
}

export type ShownReject = Pick<
  RejectRow,
  'rejectId' | 'file' | 'etag' | 'record' | 'line' | 'byte' | 'errorByte' | 'column' | 'columnIndex' | 'code' | 'message' | 'value' | 'errors' | 'rawBase64'
>;

export interface Place {
  readonly uri: string;
  readonly etag: string;
  /** Where to look, and what to mark there. */
  readonly byte: number;
  readonly mark: number;
  readonly record: RecordView | null;
  readonly reject: ShownReject | null;
}

export interface Window {
  readonly start: number;
  readonly bytes: Uint8Array;
  /** `source`: the file as pinned. `row`: a row of a file of columns, as JSON. `reject`: the bytes kept with the reject, because the file is another one now. */
  readonly from: 'source' | 'reject' | 'row';
}

export const placeOfReject = (row: ShownReject): Place => ({
  uri: row.file,
  etag: row.etag,
  byte: row.byte ?? 0,
  mark: row.errorByte ?? 0,
  record: null,
  reject: row,
});

/** A long record may hold its fault far behind its start: the mark must be in the window. */
export const windowStart = ({ byte, mark }: Place, bytes: number): number => (mark - byte < bytes ? byte : mark - Math.floor(bytes / 4));

export function printPlace({ output }: CommandCall, place: Place, { start, bytes, from }: Window): void {
  output.document({ ...place, window: { start, base64: Buffer.from(bytes).toString('base64'), from } });
  for (const line of describe(place, { start, bytes, from })) output.line(line);
}

function describe(place: Place, window: Window): string[] {
  const lines = [
    `${place.uri}${window.from === 'reject' ? '   (the file is another one now: bytes kept with the reject)' : ''}`,
    ...(window.from === 'row' ? [new TextDecoder().decode(window.bytes)] : hexLines(window, place.mark)),
  ];
  if (place.reject !== null) lines.push(...describeReject(place.reject));
  if (place.record !== null) lines.push(...describeRecord(place.record));
  return lines;
}

/** Sixteen bytes a line; the marked one carries a pointer. */
export function hexLines({ start, bytes }: Pick<Window, 'start' | 'bytes'>, mark: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte, index) => `${start + at + index === mark ? '▸' : ' '}${byte.toString(16).padStart(2, '0')}`).join('');
    lines.push(`byte ${String(start + at).padStart(12)} ${hex.padEnd(48)}  ${row.map(visibleByte).join('')}`);
  }
  return lines;
}

/** Control characters as their pictures, bytes beyond ASCII as a dot: one cell a byte. */
function visibleByte(byte: number): string {
  if (byte < 0x20) return String.fromCharCode(0x2400 + byte);
  if (byte === 0x7f) return '␡';
  return byte < 0x7f ? String.fromCharCode(byte) : '·';
}

/** Of a range that a producer named only the byte is known. */
const placeOf = ({ record, byte }: ShownReject): string => (record === null ? `byte ${count(byte ?? 0)}` : `record ${count(record)}`);

function describeReject(row: ShownReject): string[] {
  const lines = [
    `${row.code}  ${placeOf(row)}${row.line === null ? '' : `  line ${count(row.line)}`}${row.column === null ? '' : `  column ${row.columnIndex ?? '?'} ${JSON.stringify(row.column)}`}: ${messageOf(row)}`,
  ];
  for (const error of row.errors.slice(1))
    lines.push(
      `  also ${error.code}${error.byte === null ? '' : ` at byte ${count(error.byte)}`}${error.column === null ? '' : ` in ${JSON.stringify(error.column)}`}: ${error.message}`,
    );
  const { hint } = codeInfo(row.code);
  if (hint !== '') lines.push(`hint: ${hint}`);
  return lines;
}

function describeRecord(record: RecordView): string[] {
  const { line, byte, byteEnd } = record;
  const lines = [
    `record ${count(record.record)}${line === null ? '' : `  line ${count(line)}`}${byte === null || byteEnd === null ? '' : `  bytes ${count(byte)}–${count(byteEnd)}`}`,
  ];
  for (const [index, field] of record.fields.entries()) lines.push(`  ${(record.header[index] ?? `field ${index + 1}`).padEnd(20)} ${JSON.stringify(field)}`);
  for (const error of record.reject?.errors ?? [])
    lines.push(`  rejected: ${error.code}${error.column === null ? '' : ` in ${JSON.stringify(error.column)}`}: ${error.message}`);
  return lines;
}
