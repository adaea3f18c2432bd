/** What the core says of stored inputs: one file, a small file's text, all files below a folder. */
import type { Answer as CoreAnswer } from '@millrace/core-client';
import { type InputFile, maxFilesPerJob, maxListEntries, maxPayloadBytes } from '@millrace/protocol';
import type { StoreEntry } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';
import type { Control } from './control.ts';
import { reachOf } from './places.ts';

const deadlineMs = 30_000;

export type Found = Pick<InputFile, 'uri' | 'etag' | 'size' | 'sha256' | 'records'>;

/** One file as it stands now. Throws `INPUT_NOT_FOUND`, or what the core says of a place. */
export async function fileAt(uri: string, connection: string | null, control: Control): Promise<Found> {
  const reach = reachOf(uri, connection, control.places);
  const key = reach.keyOf(uri);
  const { object } = doneOf(await control.core.request({ type: 'StoreStat', scope: reach.scope, key }, { deadlineMs }), uri);
  if (object === null) throw new AppError('INPUT_NOT_FOUND', `cannot resolve inputs: ${uri} is not there`);
  return { uri: reach.uriOf(key), etag: object.etag, size: object.size };
}

/** Gateways over a file system have no ETag for files that were not put through them. Throws `SPEC_NOT_AVAILABLE`, as a web server without one does. */
export function versioned(found: Found): Found {
  if (found.etag !== '') return found;
  const why = 'its store gives it no ETag, so nothing would notice a change while it is read; put it there again through the store';
  throw new AppError('SPEC_NOT_AVAILABLE', `cannot resolve inputs: ${found.uri}: ${why}`);
}

export async function readText(uri: string, connection: string | null, mostBytes: number, control: Control): Promise<{ text: string } | { bytes: number }> {
  const read = await readWhole(uri, connection, mostBytes, control);
  return 'bytes' in read ? read : { text: new TextDecoder().decode(read.content) };
}

type Whole = { readonly content: Uint8Array } | { readonly bytes: number };

/** The whole of a small file, or its size when that is more than `mostBytes`. */
export async function readWhole(uri: string, connection: string | null, mostBytes: number, control: Control): Promise<Whole> {
  const { size } = await fileAt(uri, connection, control);
  if (size > mostBytes) return { bytes: size };
  const { scope, keyOf } = reachOf(uri, connection, control.places);
  const key = keyOf(uri);
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < size; start += maxPayloadBytes) {
    const range = { start, end: Math.min(size, start + maxPayloadBytes) };
    const answer = await control.core.request({ type: 'StoreGet', scope, key, range, ifMatch: null }, { deadlineMs });
    if (doneOf(answer, uri).object === null || answer.failed !== null) throw new AppError('INPUT_NOT_FOUND', `cannot read ${uri}: it is not there any more`);
    pieces.push(answer.payload);
  }
  return { content: Buffer.concat(pieces) };
}

export interface ListOptions {
  /** Files further down come as one entry, their directory with a slash at its end. */
  readonly fold?: boolean;
  /** Stops at about so many. Defaults to more than a job may have. */
  readonly most?: number;
  /** The one that a spec names. */
  readonly connection?: string | null;
}

/** Every file below a folder, whose URI ends in `/`, in byte order of their names. A folder that is not there has none. */
export async function listBelow(folder: string, control: Control, options: ListOptions = {}): Promise<Found[]> {
  const reach = reachOf(folder, options.connection ?? null, control.places);
  const prefix = reach.keyOf(folder);
  const most = options.most ?? maxFilesPerJob + 1;
  const files: Found[] = [];
  let startAfter: string | null = null;
  for (;;) {
    const limit = Math.min(maxListEntries, most);
    const request = { type: 'StoreList', scope: reach.scope, prefix, startAfter, limit, delimiter: options.fold === true } as const;
    const done: { entries: readonly StoreEntry[]; more: boolean } = doneOf(await control.core.request(request, { deadlineMs }), folder);
    for (const { key, etag, size } of done.entries) files.push({ uri: reach.uriOf(key), etag, size });
    const last = done.entries.at(-1);
    if (!done.more || last === undefined || files.length >= most) return files;
    startAfter = last.key;
  }
}

function doneOf<Done>(answer: CoreAnswer<Done>, what: string): Done {
  if (answer.failed === null) return answer.done;
  throw new AppError(answer.failed.code as 'INTERNAL', `cannot resolve ${what}: ${answer.failed.message}`);
}
