/** Records of attempts that did not commit: one each, put before the ledger closes the attempt. */
import type { AttemptId, FailureRecord, JobId } from '@millrace/protocol';

import { failureKey, failuresDir, parseFailureKey, stageFailuresDir } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

export interface FailureName {
  readonly key: string;
  readonly chunk: number;
  readonly attemptId: AttemptId;
}

/** Lost: somebody recorded this attempt already, and that record stays. */
export function putFailure(store: Store, record: FailureRecord): Promise<Put<'failure'>> {
  return putIfAbsent(store, 'failure', failureKey(record.jobId, record.stage, record.chunk, record.attemptId), record);
}

export function readFailure(store: Store, jobId: JobId, stage: string, chunk: number, attemptId: AttemptId): Promise<Stored<'failure'> | null> {
  return readRecord(store, 'failure', failureKey(jobId, stage, chunk, attemptId));
}

/** The failed attempts of a chunk over all generations, newest first. */
export async function readFailures(store: Store, jobId: JobId, stage: string, chunk: number): Promise<Stored<'failure'>[]> {
  const failures: Stored<'failure'>[] = [];
  for await (const entry of store.list(failuresDir(jobId, stage, chunk))) {
    const stored = await readRecord(store, 'failure', entry.key);
    if (stored) failures.push(stored);
  }
  return failures.sort((a, b) => (a.record.endedAt < b.record.endedAt ? 1 : a.record.endedAt > b.record.endedAt ? -1 : 0));
}

/** Which failures a stage has, by name alone. */
export async function* listFailures(store: Store, jobId: JobId, stage: string): AsyncGenerator<FailureName> {
  for await (const entry of store.list(stageFailuresDir(jobId, stage))) {
    const name = parseFailureKey(entry.key);
    if (name) yield { key: entry.key, ...name };
  }
}
