/** Where the journal lies, as the core is told in `Hello`: a directory here; a bucket comes through `Connections.withJournal`. */
import { fileConnection } from '@millrace/core-client';
import { filePath } from '@millrace/protocol';
import type { Connection } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';

/** `uri`: `file:///absolute/directory`. */
export function journalConnection(uri: string, name = 'journal'): Connection {
  if (!uri.startsWith('file:///')) {
    throw new AppError('SPEC_URI', `cannot open the journal: expected file:/// and an absolute directory, got ${JSON.stringify(uri)}`);
  }
  return fileConnection(name, filePath(uri), 'both');
}
