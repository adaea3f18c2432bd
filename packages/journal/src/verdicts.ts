/** Verdicts. Receipts are put by the core; `dead` and `closed` from here. Whoever fills a verdict first has decided. */
import type { ClosedVerdict, DeadVerdict, JobId } from '@millrace/protocol';

import { parseChunkKey, verdictKey, verdictsDir } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

export interface VerdictName {
  readonly key: string;
  readonly chunk: number;
  readonly generation: number;
}

/** Lost: the chunk is committed, dead or closed already, as `stored` says. */
export function putVerdict(store: Store, record: DeadVerdict | ClosedVerdict): Promise<Put<'verdict'>> {
  return putIfAbsent(store, 'verdict', verdictKey(record.jobId, record.stage, record.chunk, record.generation), record);
}

export function readVerdict(store: Store, jobId: JobId, stage: string, chunk: number, generation: number): Promise<Stored<'verdict'> | null> {
  return readRecord(store, 'verdict', verdictKey(jobId, stage, chunk, generation));
}

export function readVerdictAt(store: Store, key: string): Promise<Stored<'verdict'> | null> {
  return readRecord(store, 'verdict', key);
}

/** Which verdicts of a stage are filled, by name alone: by chunk, then generation. */
export async function* listVerdicts(store: Store, jobId: JobId, stage: string): AsyncGenerator<VerdictName> {
  for await (const entry of store.list(verdictsDir(jobId, stage))) {
    const name = parseChunkKey(entry.key);
    if (name) yield { key: entry.key, ...name };
  }
}
