/** Where a run writes: a directory of this computer, by its path, or a folder of a bucket, by its URI. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { filePath } from '@millrace/protocol';

/** `s3://bucket/out/` and its like; everything else is a path. */
export const isRemote = (out: string): boolean => /^(?:s3|gs|az):\/\//.test(out);

/** The place in its one spelling: an absolute path, or a URI that ends in a slash. */
export function placeOf(out: string): string {
  if (isRemote(out)) return out.endsWith('/') ? out : `${out}/`;
  return resolve(out.startsWith('file://') ? filePath(out) : out);
}

/** The place that an output URI of a spec or manifest names. */
export const placeOfUri = (uri: string): string => placeOf(uri);

export function journalUriOf(place: string): string {
  return isRemote(place) ? `${place}_journal` : pathToFileURL(resolve(place, '_journal')).href;
}
