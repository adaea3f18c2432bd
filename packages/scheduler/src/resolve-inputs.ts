/**
 * Inputs as written → files pinned to a version, in the order written and within a pattern by name. Everything is asked of the core, which alone
 * knows what may be read. A file named twice is read once.
 */
import type { Answer as CoreAnswer } from '@millrace/core-client';
import {
  checkExpected,
  filePath,
  fileUri,
  type InputFile,
  type LookupFile,
  maxFilesPerJob,
  maxListEntries,
  maxPayloadBytes,
  type ResolvedInput,
  type ResolvedJobSpec,
} from '@millrace/protocol';
import type { StoreEntry } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';
import type { Control, Place } from './control.ts';
import { directoryOfPattern, isHiddenBelow, isPattern, patternOf } from './glob.ts';
import { listedFiles } from './list-file.ts';

const deadlineMs = 30_000;

export type Found = Pick<InputFile, 'uri' | 'etag' | 'size' | 'sha256' | 'records'>;

/** Throws `AppError`: `INPUT_NOT_FOUND`, `INPUT_NONE`, `INPUT_LIST`, `INPUT_CHANGED`, `INPUT_COUNT_MISMATCH`, `INPUT_DIGEST_MISMATCH`, `STORAGE_FORBIDDEN`, or what the core says of a place. */
export async function resolveInputs(spec: ResolvedJobSpec, control: Control): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const [index, input] of spec.inputs.entries()) {
    const found = await filesOfInput(input, control);
    const unexpected = checkExpected(input, { files: found.length, bytes: found.reduce((sum, file) => sum + file.size, 0) });
    if (unexpected) throw new AppError(unexpected.code, `cannot resolve inputs: ${unexpected.message}`);
    for (const file of withDigest(found, input)) files.push({ file: files.length, input: index, ...file });
  }
  if (files.length > maxFilesPerJob)
    throw new AppError('SPEC_OUT_OF_RANGE', `cannot resolve inputs: expected at most ${maxFilesPerJob} files, got ${files.length}`);
  return files;
}

/** `expect.sha256` speaks of one file: planning holds its bytes against it. */
function withDigest(files: readonly Found[], { name, expect }: ResolvedInput): (Found & Required<Pick<Found, 'sha256' | 'records'>>)[] {
  if (expect.sha256 !== null && files.length !== 1) {
    throw new AppError('INPUT_DIGEST_MISMATCH', `cannot resolve inputs: input ${name}: expect.sha256 is for one file, got ${files.length}`);
  }
  return files.map((file) => ({ ...file, sha256: expect.sha256 ?? file.sha256 ?? null, records: file.records ?? null }));
}

/** The small tables of stages at the versions that stand there now. Throws `INPUT_LOOKUP` for one that is larger than it may be. */
export async function resolveLookups(spec: ResolvedJobSpec, control: Control): Promise<LookupFile[]> {
  const files: LookupFile[] = [];
  for (const { name: stage, lookups } of spec.pipeline) {
    for (const { name, uri, maxSize } of lookups) {
      const { etag, size } = await fileAt(filePath(uri), uri, control);
      if (size > maxSize)
        throw new AppError('INPUT_LOOKUP', `cannot resolve lookup ${name} of stage ${stage}: expected at most ${maxSize} bytes (maxSize), got ${size}`);
      files.push({ stage, name, uri: fileUri(filePath(uri)), etag, size });
    }
  }
  return files;
}

async function filesOfInput(input: ResolvedInput, control: Control): Promise<Found[]> {
  const found = new Map<string, Found>();
  for (const listed of input.list === null ? [] : await listedFiles(input.list, control)) {
    const file = await fileAt(filePath(listed.uri), listed.uri, control);
    if (listed.etag !== null && listed.etag !== file.etag) {
      throw new AppError(
        'INPUT_CHANGED',
        `cannot resolve inputs: ${input.list}, line ${listed.line}: ${listed.uri} has the etag ${file.etag}, the list says ${listed.etag}`,
      );
    }
    found.set(file.uri, { ...file, sha256: listed.sha256, records: listed.records });
  }
  if (input.list !== null && found.size === 0 && input.ifNone === 'fail')
    throw new AppError('INPUT_NONE', `cannot resolve inputs: ${input.list} names no file`);
  for (const uri of input.uri ?? []) {
    const matches = await filesOfUri(uri, control);
    if (matches.length === 0 && input.ifNone === 'fail') throw new AppError('INPUT_NONE', `cannot resolve inputs: nothing matches ${uri}`);
    for (const match of matches) found.set(match.uri, match);
  }
  return [...found.values()];
}

async function filesOfUri(uri: string, control: Control): Promise<Found[]> {
  const written = uri.slice('file://'.length);
  if (written.endsWith('/')) {
    const directory = filePath(uri);
    return (await listBelow(directory, control)).filter(({ path }) => !isHiddenBelow(directory, path)).map(({ found }) => found);
  }
  if (isPattern(written)) return filesOfPattern(written, control);
  return [await fileAt(filePath(uri), uri, control)];
}

/** A pattern is matched against spelled URIs: there an escaped mark can be told from a mark. */
async function filesOfPattern(written: string, control: Control): Promise<Found[]> {
  const pattern = patternOf(written);
  const directory = filePath(`file://${directoryOfPattern(written)}`);
  const isWanted = (uri: string): boolean => pattern.test(uri.slice('file://'.length)) || pattern.test(withEscapedMarks(uri.slice('file://'.length)));
  return (await listBelow(directory, control)).filter(({ found }) => isWanted(found.uri)).map(({ found }) => found);
}

function withEscapedMarks(path: string): string {
  return path.replace(/[*?[\]{}]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function fileAt(path: string, uri: string, control: Control): Promise<Found> {
  const place = placeOf(path, control.places);
  const answer = await control.core.request({ type: 'StoreStat', scope: scopeOf(place), key: path.slice(place.directory.length + 1) }, { deadlineMs });
  const { object } = doneOf(answer, uri);
  if (object === null) throw new AppError('INPUT_NOT_FOUND', `cannot resolve inputs: ${uri} is not there`);
  return { uri: fileUri(path), etag: object.etag, size: object.size };
}

/** The whole of a small file, or its size when that is more than `mostBytes`. */
export async function readText(uri: string, mostBytes: number, control: Control): Promise<{ text: string } | { bytes: number }> {
  const path = filePath(uri);
  const { size } = await fileAt(path, uri, control);
  if (size > mostBytes) return { bytes: size };
  const place = placeOf(path, control.places);
  const key = path.slice(place.directory.length + 1);
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < size; start += maxPayloadBytes) {
    const range = { start, end: Math.min(size, start + maxPayloadBytes) };
    const answer = await control.core.request({ type: 'StoreGet', scope: scopeOf(place), key, range, ifMatch: null }, { deadlineMs });
    if (doneOf(answer, uri).object === null || answer.failed !== null) throw new AppError('INPUT_NOT_FOUND', `cannot read ${uri}: it is not there any more`);
    pieces.push(answer.payload);
  }
  return { text: new TextDecoder().decode(Buffer.concat(pieces)) };
}

export interface ListOptions {
  /** Files further down come as one entry, their directory with a slash at its end. */
  readonly fold?: boolean;
  /** Stops at about so many. Defaults to more than a job may have. */
  readonly most?: number;
}

/** Every file below a directory, in byte order of their paths. A directory that is not there has none. */
export async function listBelow(directory: string, control: Control, options: ListOptions = {}): Promise<{ path: string; found: Found }[]> {
  const place = placeOf(directory, control.places);
  const prefix = directory.slice(place.directory.length + 1);
  const most = options.most ?? maxFilesPerJob + 1;
  const files: { path: string; found: Found }[] = [];
  let startAfter: string | null = null;
  for (;;) {
    const request = {
      type: 'StoreList',
      scope: scopeOf(place),
      prefix,
      startAfter,
      limit: Math.min(maxListEntries, most),
      delimiter: options.fold === true,
    } as const;
    const done: { entries: readonly StoreEntry[]; more: boolean } = doneOf(await control.core.request(request, { deadlineMs }), directory);
    for (const { key, etag, size } of done.entries) {
      const path = `${place.directory}/${key}`;
      files.push({ path, found: { uri: fileUri(path), etag, size } });
    }
    const last = done.entries.at(-1);
    if (!done.more || last === undefined || files.length >= most) return files;
    startAfter = last.key;
  }
}

/** The innermost directory that may be read and holds the path. */
function placeOf(path: string, places: readonly Place[]): Place {
  const holding = places.filter(({ directory }) => path.startsWith(`${directory}/`)).sort((a, b) => b.directory.length - a.directory.length);
  const place = holding[0];
  if (!place) throw new AppError('STORAGE_FORBIDDEN', `cannot resolve ${fileUri(path)}: it lies outside the places that may be read`);
  return place;
}

function scopeOf(place: Place) {
  return { connection: place.connection, kind: 'inputs', jobKey: null, specDigest: null } as const;
}

function doneOf<Done>(answer: CoreAnswer<Done>, what: string): Done {
  if (answer.failed === null) return answer.done;
  throw new AppError(answer.failed.code as 'INTERNAL', `cannot resolve ${what}: ${answer.failed.message}`);
}
