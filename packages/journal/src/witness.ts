/**
 * An object that stands in every journal from its first service on. A directory that is gone answers every question with "there is nothing", so whether the
 * journal can be read is asked of something that must be there.
 */
import { AppError } from '@millrace/service-kit';

import { witnessKey } from './paths.ts';
import type { Store } from './store.ts';

const bytes = new TextEncoder().encode('{"record":"witness","version":1}\n');

/** By each service at its start, before anybody asks for it. */
export async function putWitness(store: Store): Promise<void> {
  await store.create(witnessKey, bytes);
}

/** Throws what the store throws, and `JOURNAL_UNSAFE` when the witness is gone. */
export async function readWitness(store: Store): Promise<void> {
  if (await store.exists(witnessKey)) return;
  throw new AppError(
    'JOURNAL_UNSAFE',
    `cannot read the journal: ${witnessKey}, which stands in every journal, is gone; is its directory or bucket the right one?`,
  );
}
