/** Where a verb looks: in a directory that `run` wrote, which then stands first among its arguments, or on a server. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isRemote } from './output-place.ts';

/** True for what holds a journal, and for what can only be a path: then a message about that directory is the useful one. */
export const namesDirectory = (text: string | undefined): boolean =>
  text !== undefined && (isRemote(text) || text.startsWith('file:') || /^(?:\.{1,2}$|\.{0,2}\/|~\/)|\/$/.test(text) || existsSync(join(text, '_journal')));
