import type { JobView, RejectRow } from '@millrace/journal';
import { codeInfo, type InputFile } from '@millrace/protocol';
import { type Command, type FlagValues, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Directory, withJob } from '../directory.ts';
import { exitCodes } from '../exit-codes.ts';
import { count } from '../output.ts';
import { openRejects } from '../read-rejects.ts';
import { manifestOf, messageOf, shortRejectId } from './rejects.ts';

const DEFAULT_BYTES = 256;
const MAX_BYTES = 65_536;
const DEADLINE_MS = 60_000;

/** `millrace peek DIR …`: the bytes of any place, in hex and text, with what the reader made of the record there. */
export const peek: Command = {
  name: 'peek',
  synopsis: 'DIR --at OFFSET | --record N | --reject ID [--file F] [--bytes N]',
  help: 'Shows bytes, text and fields of a place in an input. `--reject 1` is the first reject in input order; `clean.227.r1` names one.',
  flags: {
    at: { type: 'string', value: 'OFFSET', help: 'byte offset from 0' },
    record: { type: 'string', value: 'N', help: 'number of the record, from 1' },
    reject: { type: 'string', value: 'ID', help: 'a reject: its number in input order, or its id' },
    file: { type: 'string', value: 'F', help: 'which input: its number from 0, or the end of its name (the only one)' },
    bytes: { type: 'string', value: 'N', help: `window, at most ${MAX_BYTES} (${DEFAULT_BYTES})` },
  },
  run: async (call) => {
    await withJob(call.args[0], async (directory, view) => {
      const place = await findPlace(directory, view, call.flags);
      const shown = await readPlace(directory, view, place, windowBytes(call.flags));
      call.output.document({
        ...place,
        bytes: undefined,
        window: { start: shown.start, base64: Buffer.from(shown.bytes).toString('base64'), from: shown.from },
      });
      for (const line of describe(place, shown)) call.output.line(line);
    });
    return exitCodes.done;
  },
};

interface RecordView {
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

interface Place {
  readonly uri: string;
  readonly etag: string;
  /** Where to look, and what to mark there. */
  readonly byte: number;
  readonly mark: number;
  readonly record: RecordView | null;
  readonly reject: RejectRow | null;
}

interface Window {
  readonly start: number;
  readonly bytes: Uint8Array;
  /** `source`: the file as pinned. `row`: a row of a file of columns, as JSON. `reject`: the bytes kept with the reject, because the file is another one now. */
  readonly from: 'source' | 'reject' | 'row';
}

async function findPlace(directory: Directory, view: JobView, flags: FlagValues): Promise<Place> {
  const rejectId = textFlag(flags, 'reject');
  if (rejectId !== undefined) return placeOfReject(await findReject(directory, view, rejectId));
  const file = await findFile(directory, view, textFlag(flags, 'file'));
  const record = wholeNumber(flags, 'record');
  const at = wholeNumber(flags, 'at');
  if (record === undefined && at === undefined) throw new CommandError(exitCodes.usage, 'expected --at OFFSET, --record N or --reject ID');
  const found = await readRecord(directory, view, file, record ?? null, at ?? null);
  if (found === null && record !== undefined) throw new CommandError(exitCodes.notFound, `${file.uri} has no record ${record}`);
  const byte = at ?? found?.byte ?? 0;
  return { uri: file.uri, etag: file.etag, byte, mark: found?.reject?.errors[0]?.byte ?? byte, record: found, reject: null };
}

const placeOfReject = (row: RejectRow): Place => ({ uri: row.file, etag: row.etag, byte: row.byte ?? 0, mark: row.errorByte ?? 0, record: null, reject: row });

async function findReject(directory: Directory, view: JobView, id: string): Promise<RejectRow> {
  let number = 0;
  for await (const row of openRejects(directory, view, manifestOf(view))) {
    number += 1;
    if (String(number) === id || row.rejectId === id || shortRejectId(row) === id) return row;
  }
  throw new CommandError(exitCodes.notFound, `no reject ${id}`, `There are ${number}.`);
}

async function findFile({ journal }: Directory, view: JobView, wanted: string | undefined): Promise<InputFile> {
  const files: InputFile[] = [];
  for await (const file of journal.listInputFiles(view.job.record.jobId)) files.push(file);
  const matching = wanted === undefined ? files : files.filter(({ file, uri }) => String(file) === wanted || uri.endsWith(`/${wanted}`));
  const [found] = matching;
  if (found === undefined) throw new CommandError(exitCodes.notFound, `no input ${wanted}`, `There are ${files.map(({ uri }) => uri).join(', ')}.`);
  if (matching.length > 1)
    throw new CommandError(exitCodes.usage, `the job has ${matching.length} inputs: say which with --file`, 'By number from 0, or by the end of its name.');
  return found;
}

function wholeNumber(flags: FlagValues, name: string): number | undefined {
  const text = textFlag(flags, name);
  if (text === undefined) return undefined;
  const value = Number(text.replaceAll(/[,_]/g, ''));
  if (!Number.isSafeInteger(value) || value < 0) throw new CommandError(exitCodes.usage, `expected a whole number for --${name}, got ${JSON.stringify(text)}`);
  return value;
}

/** What the reader makes of the record there; null where no record stands, such as in the header. */
async function readRecord({ core }: Directory, view: JobView, file: InputFile, record: number | null, at: number | null): Promise<RecordView | null> {
  const input = { uri: file.uri, connection: null, etag: file.etag, size: file.size };
  const jobKey = view.job.key;
  const message = { type: 'Inspect', what: 'record', input, connection: null, jobKey, start: at, end: null, record, parts: null, spec: null } as const;
  const answer = await core.request(message, { deadlineMs: DEADLINE_MS });
  if (answer.failed === null) return JSON.parse(new TextDecoder().decode(answer.payload)) as RecordView;
  if (answer.failed.code === 'INPUT_RANGE') return null;
  throw new CommandError(exitCodes.failed, answer.failed.message, codeInfo(answer.failed.code).hint || null, { code: answer.failed.code });
}

function windowBytes(flags: FlagValues): number {
  const bytes = wholeNumber(flags, 'bytes') ?? DEFAULT_BYTES;
  if (bytes < 1 || bytes > MAX_BYTES) throw new CommandError(exitCodes.usage, `expected 1 to ${MAX_BYTES} for --bytes, got ${bytes}`);
  return bytes;
}

async function readPlace({ core }: Directory, view: JobView, place: Place, bytes: number): Promise<Window> {
  // A row of a Parquet or Arrow file is no run of bytes: it is shown as JSON.
  const row = place.reject?.byte === null ? place.reject : place.record?.byte === null ? place.record : null;
  if (row !== null) return { start: 0, bytes: Buffer.from(row.rawBase64, 'base64').subarray(0, bytes), from: 'row' };
  // A long record may hold its fault far behind its start: the mark must be in the window.
  const start = place.mark - place.byte < bytes ? place.byte : place.mark - Math.floor(bytes / 4);
  const input = { uri: place.uri, connection: null, etag: place.etag, size: 0 };
  const message = {
    type: 'Inspect',
    what: 'bytes',
    input,
    connection: null,
    // With the job: offsets of the stream that its records stand in, also where the file is compressed.
    jobKey: view.job.key,
    start,
    end: start + bytes,
    record: null,
    parts: null,
    spec: null,
  } as const;
  const answer = await core.request(message, { deadlineMs: DEADLINE_MS });
  if (answer.failed === null) return { start, bytes: answer.payload, from: 'source' };
  if (place.reject !== null) return { start, bytes: Buffer.from(place.reject.rawBase64, 'base64').subarray(0, bytes), from: 'reject' };
  throw new CommandError(exitCodes.failed, answer.failed.message, codeInfo(answer.failed.code).hint || null, { code: answer.failed.code });
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
const placeOf = ({ record, byte }: RejectRow): string => (record === null ? `byte ${count(byte ?? 0)}` : `record ${count(record)}`);

function describeReject(row: RejectRow): string[] {
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
