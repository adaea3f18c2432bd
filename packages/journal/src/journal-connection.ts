/** Where the journal lies, as the core is told in `Hello`. */
import { filePath } from '@millrace/protocol';
import type { Connection } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';

/** `uri`: `file:///absolute/directory`. Buckets are not available in this version. */
export function journalConnection(uri: string, name = 'journal'): Connection {
  if (!uri.startsWith('file:///')) {
    throw new AppError(
      'SPEC_NOT_AVAILABLE',
      `cannot open the journal: expected file:/// and an absolute directory, got ${JSON.stringify(uri)}; other stores are not available in this version`,
    );
  }
  const directory = filePath(uri).replace(/\/+$/, '');
  return {
    name,
    kind: 'file',
    endpoint: null,
    region: null,
    bucket: null,
    prefix: directory === '' ? '/' : directory,
    mode: 'both',
    auth: 'none',
    plainHttp: false,
  };
}
