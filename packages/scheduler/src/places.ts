/** The directories that the scheduler's core may read, as connections of its `Hello`: inputs are listed through them, outputs are looked into. */
import type { Connection } from '@millrace/protocol/wire';
import type { Place } from './control.ts';

/** One for each directory; of a directory named twice one. */
export function placesOf(directories: readonly string[]): Place[] {
  const plain = directories.map((directory) => directory.replace(/\/+$/, ''));
  return [...new Set(plain)].map((directory, index) => ({ connection: `place-${index}`, directory }));
}

export function connectionOf(place: Place): Connection {
  const prefix = place.directory === '' ? '/' : place.directory;
  return { name: place.connection, kind: 'file', endpoint: null, region: null, bucket: null, prefix, mode: 'read', auth: 'none', plainHttp: false };
}
