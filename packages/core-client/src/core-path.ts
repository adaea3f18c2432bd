import { join } from 'node:path';

/** Where `npm run setup` puts the core of this checkout. Services take another path from their configuration (`MILLRACE_CORE`). */
export function corePath(): string {
  return join(import.meta.dirname, '../../../.cache/bin/millrace-core');
}
