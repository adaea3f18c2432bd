/** Dead letters. One counts only if the verdict of its chunk and generation says `dead`. */
import type { DeadLetter, JobId } from '@millrace/protocol';

import { deadDir, deadLetterKey, parseChunkKey } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';
import type { VerdictName } from './verdicts.ts';

export function putDeadLetter(store: Store, record: DeadLetter): Promise<Put<'deadLetter'>> {
  return putIfAbsent(store, 'deadLetter', deadLetterKey(record.jobId, record.stage, record.chunk, record.generation), record);
}

export function readDeadLetter(store: Store, jobId: JobId, stage: string, chunk: number, generation: number): Promise<Stored<'deadLetter'> | null> {
  return readRecord(store, 'deadLetter', deadLetterKey(jobId, stage, chunk, generation));
}

/** Which dead letters of a stage were written, by name alone; void ones among them. */
export async function* listDeadLetters(store: Store, jobId: JobId, stage: string): AsyncGenerator<VerdictName> {
  for await (const entry of store.list(deadDir(jobId, stage))) {
    const name = parseChunkKey(entry.key);
    if (name) yield { key: entry.key, ...name };
  }
}
