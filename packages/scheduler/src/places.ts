/**
 * Where inputs and outputs lie, as the scheduler's core may see it: local directories through connections of its own, everything else by URI through
 * the connection that a spec names, or the best one there is.
 */
import { fileConnection } from '@millrace/core-client';
import { filePath, fileUri, schemeOf } from '@millrace/protocol';
import type { Connection } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';
import type { Place } from './control.ts';

/** A scope that names no connection: the core takes the best one for a URI. */
const byUri = 'files';

/** One for each directory; of a directory named twice one. */
export function placesOf(directories: readonly string[]): Place[] {
  const plain = directories.map((directory) => directory.replace(/\/+$/, ''));
  return [...new Set(plain)].map((directory, index) => ({ connection: `place-${index}`, directory }));
}

export function connectionOf(place: Place): Connection {
  return fileConnection(place.connection, place.directory, 'read');
}

/** How the core is asked about what lies at a URI, and how its answers become URIs again. */
export interface Reach {
  readonly scope: { readonly connection: string; readonly kind: 'inputs'; readonly jobKey: null; readonly specDigest: null };
  keyOf(uri: string): string;
  uriOf(key: string): string;
}

/** Throws `STORAGE_FORBIDDEN` for a local path that lies in no place. Of other stores the core says what is allowed. */
export function reachOf(uri: string, connection: string | null, places: readonly Place[]): Reach {
  if (schemeOf(uri) !== 'file') return { scope: scopeOf(connection ?? byUri), keyOf: (uri) => uri, uriOf: (key) => key };
  const place = placeOf(filePath(uri), places);
  return {
    scope: scopeOf(place.connection),
    keyOf: (uri) => filePath(uri).slice(place.directory.length + 1),
    uriOf: (key) => fileUri(`${place.directory}/${key}`),
  };
}

function scopeOf(connection: string): Reach['scope'] {
  return { connection, kind: 'inputs', jobKey: null, specDigest: null };
}

/** The innermost directory that may be read and holds the path. */
function placeOf(path: string, places: readonly Place[]): Place {
  const holding = places.filter(({ directory }) => path.startsWith(`${directory}/`)).sort((a, b) => b.directory.length - a.directory.length);
  const place = holding[0];
  if (!place) throw new AppError('STORAGE_FORBIDDEN', `cannot resolve ${fileUri(path)}: it lies outside the places that may be read`);
  return place;
}
