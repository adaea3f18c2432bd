/** What the URIs of inputs in buckets or behind URLs stand for now: objects, with the versions that tell whether a command runs over the same ones again. */
import { directoryOfPattern, isPattern, patternOf } from '@millrace/protocol';
import type { StoredObject, StoreListDone } from '@millrace/protocol/wire';
import { CommandError } from './command-error.ts';
import { type Directory, openDirectoryAt } from './directory.ts';
import { exitCodes } from './exit-codes.ts';

const deadlineMs = 60_000;
const page = 1_000;

export interface RemoteObject {
  readonly uri: string;
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

/** Version of every object that the URIs name, in the order of the URIs. `place`: the output, through whose core they are looked at. */
export async function remoteVersions(uris: readonly string[], place: string): Promise<(readonly [uri: string, etag: string])[]> {
  const directory = openDirectoryAt(place, uris);
  try {
    const found: RemoteObject[] = [];
    for (const uri of uris) found.push(...(await remoteObjects(directory, uri)));
    return found.map(({ uri, etag }) => [uri, etag]);
  } finally {
    await directory.close();
  }
}

const scope = { connection: 'files', kind: 'inputs', jobKey: null, specDigest: null } as const;

/** The objects that a URI names: one, those below a folder, or those of a pattern. A `CommandError` if there is none. */
export function remoteObjects(directory: Directory, uri: string): Promise<RemoteObject[]> {
  const [scheme = '', written = ''] = uri.split('://', 2);
  if (scheme === 'https' || scheme === 'http') return objectAt(directory, uri);
  if (uri.endsWith('/')) return below(directory, uri, () => true);
  if (!isPattern(written)) return objectAt(directory, uri);
  const pattern = patternOf(written);
  return below(directory, `${scheme}://${directoryOfPattern(written)}`, (key) => pattern.test(key.slice(scheme.length + '://'.length)));
}

async function objectAt(directory: Directory, uri: string): Promise<RemoteObject[]> {
  const answer = await directory.core.request({ type: 'StoreStat', scope, key: uri }, { deadlineMs });
  if (answer.failed !== null) throw new CommandError(exitCodes.failed, answer.failed.message, null, { code: answer.failed.code });
  const object: StoredObject | null = answer.done.object;
  if (object === null) throw new CommandError(exitCodes.notFound, `no such object: ${uri}`);
  return [{ uri, etag: object.etag, size: object.size }];
}

async function listed(directory: Directory, prefix: string, startAfter: string | null): Promise<StoreListDone> {
  const answer = await directory.core.request({ type: 'StoreList', scope, prefix, startAfter, limit: page, delimiter: false }, { deadlineMs });
  if (answer.failed !== null) throw new CommandError(exitCodes.failed, answer.failed.message, null, { code: answer.failed.code });
  return answer.done;
}

async function below(directory: Directory, folder: string, isWanted: (uri: string) => boolean): Promise<RemoteObject[]> {
  const found: RemoteObject[] = [];
  for (let startAfter: string | null = null; ; ) {
    const { entries, more } = await listed(directory, folder, startAfter);
    for (const { key: uri, etag, size } of entries) if (isWanted(uri)) found.push({ uri, etag, size });
    startAfter = entries.at(-1)?.key ?? null;
    if (!more || startAfter === null) break;
  }
  if (found.length === 0) throw new CommandError(exitCodes.notFound, `no object matches ${folder}…`);
  return found;
}
