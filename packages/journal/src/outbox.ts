/**
 * Webhooks that are owed. An entry is put before whatever would make its event forgotten, and deleted when its delivery has ended; the document in the
 * registry outlives it and keeps the same event from being put again.
 */
import type { Callback } from '@millrace/protocol';

import { outboxDir, outboxKey } from './paths.ts';
import { putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import { readRegistered } from './registry.ts';
import type { Store } from './store.ts';

/** False: it was owed before, delivered or not. */
export async function putCallback(store: Store, record: Callback): Promise<boolean> {
  if ((await readRegistered(store, 'callbacks', record.callbackId)) !== null) return false;
  return (await putIfAbsent(store, 'callback', outboxKey(record.callbackId), record)).outcome === 'won';
}

export async function* listCallbacks(store: Store): AsyncGenerator<Stored<'callback'>> {
  for await (const { key } of store.list(outboxDir)) {
    const stored = await readRecord(store, 'callback', key);
    if (stored !== null) yield stored;
  }
}

export function deleteCallback(store: Store, callbackId: string): Promise<void> {
  return store.delete(outboxKey(callbackId));
}
