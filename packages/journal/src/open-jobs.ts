/** Markers of generations without a manifest. A marker only says *look here*; one without job is passed over. */
import type { JobId } from '@millrace/protocol';

import { openDir, openMarkerKey, parseOpenMarkerKey } from './paths.ts';
import { putIfAbsent } from './put-if-absent.ts';
import type { Store } from './store.ts';

export interface OpenGeneration {
  readonly jobId: JobId;
  readonly generation: number;
}

/** Before job.json, and before the command that opens a later generation: the other order hides an acknowledged job from a rebuild. */
export async function putOpenMarker(store: Store, jobId: JobId, generation: number): Promise<void> {
  await putIfAbsent(store, 'open', openMarkerKey(jobId, generation), { record: 'open', version: 1, jobId, generation });
}

/** After the manifest of this generation stands. */
export async function deleteOpenMarker(store: Store, jobId: JobId, generation: number): Promise<void> {
  await store.delete(openMarkerKey(jobId, generation));
}

export async function hasOpenMarker(store: Store, jobId: JobId, generation: number): Promise<boolean> {
  return store.exists(openMarkerKey(jobId, generation));
}

export async function* listOpenMarkers(store: Store): AsyncGenerator<OpenGeneration> {
  for await (const entry of store.list(openDir)) {
    const marker = parseOpenMarkerKey(entry.key);
    if (marker) yield marker;
  }
}
