/** Versions of inputs that lie in buckets or behind URLs, so that a command knows whether it runs over the same files again. */
import { directoryOfPattern, isPattern, patternOf } from '@millrace/protocol';
import type { StoredObject, StoreListDone } from '@millrace/protocol/wire';
import { CommandError } from './command-error.ts';
import { type Directory, openDirectoryAt } from './directory.ts';
import { exitCodes } from './exit-codes.ts';

const deadlineMs = 60_000;
const page = 1_000;

type Version = readonly [uri: string, etag: string];

/** Of every object that the URIs name, in the order of the URIs. `place`: the output, through whose core they are looked at. */
export async function remoteVersions(uris: readonly string[], place: string): Promise<Version[]> {
  const directory = openDirectoryAt(place, uris);
  try {
    const found: Version[] = [];
    for (const uri of uris) found.push(...(await versionsOf(directory, uri)));
    return found;
  } finally {
    await directory.close();
  }
}

const scope = { connection: 'files', kind: 'inputs', jobKey: null, specDigest: null } as const;

function versionsOf(directory: Directory, uri: string): Promise<Version[]> {
  const [scheme = '', written = ''] = uri.split('://', 2);
  if (scheme === 'https' || scheme === 'http') return versionOf(directory, uri);
  if (uri.endsWith('/')) return below(directory, uri, () => true);
  if (!isPattern(written)) return versionOf(directory, uri);
  const pattern = patternOf(written);
  return below(directory, `${scheme}://${directoryOfPattern(written)}`, (key) => pattern.test(key.slice(scheme.length + '://'.length)));
}

async function versionOf(directory: Directory, uri: string): Promise<Version[]> {
  const answer = await directory.core.request({ type: 'StoreStat', scope, key: uri }, { deadlineMs });
  if (answer.failed !== null) throw new CommandError(exitCodes.failed, answer.failed.message, null, { code: answer.failed.code });
  const object: StoredObject | null = answer.done.object;
  if (object === null) throw new CommandError(exitCodes.notFound, `no such object: ${uri}`);
  return [[uri, object.etag]];
}

async function listed(directory: Directory, prefix: string, startAfter: string | null): Promise<StoreListDone> {
  const answer = await directory.core.request({ type: 'StoreList', scope, prefix, startAfter, limit: page, delimiter: false }, { deadlineMs });
  if (answer.failed !== null) throw new CommandError(exitCodes.failed, answer.failed.message, null, { code: answer.failed.code });
  return answer.done;
}

async function below(directory: Directory, folder: string, isWanted: (uri: string) => boolean): Promise<Version[]> {
  const found: Version[] = [];
  for (let startAfter: string | null = null; ; ) {
    const { entries, more } = await listed(directory, folder, startAfter);
    for (const { key, etag } of entries) if (isWanted(key)) found.push([key, etag]);
    startAfter = entries.at(-1)?.key ?? null;
    if (!more || startAfter === null) break;
  }
  if (found.length === 0) throw new CommandError(exitCodes.notFound, `no object matches ${folder}…`);
  return found;
}
