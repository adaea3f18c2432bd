/** The pins: put once, before the first `Plan`. Whoever loses uses the winner's. */
import type { JobId, Pins } from '@millrace/protocol';

import { pinsKey } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

export function putPins(store: Store, record: Pins): Promise<Put<'pins'>> {
  return putIfAbsent(store, 'pins', pinsKey(record.jobId), record);
}

export function readPins(store: Store, jobId: JobId): Promise<Stored<'pins'> | null> {
  return readRecord(store, 'pins', pinsKey(jobId));
}
