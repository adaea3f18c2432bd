/** The job itself, whose presence means that it is accepted, and its inputs, which are put before it. */
import { type InputFile, type InputsRecord, type JobId, type JobRecord, specDigest } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { inputsDir, inputsKey, jobKey, jobsDir, parseJobDir, parseNumberedKey } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

export function putJob(store: Store, record: JobRecord): Promise<Put<'job'>> {
  return putIfAbsent(store, 'job', jobKey(record.jobId), record);
}

/** Checks that the spec is the one whose digest every other record names. */
export async function readJobRecord(store: Store, jobId: JobId): Promise<Stored<'job'> | null> {
  const stored = await readRecord(store, 'job', jobKey(jobId));
  if (stored !== null && specDigest(stored.record.spec) !== stored.record.specDigest) {
    throw new AppError('JOURNAL_UNSAFE', `cannot read ${stored.key}: its spec is not the one of its digest`);
  }
  return stored;
}

export function putInputs(store: Store, record: InputsRecord): Promise<Put<'inputs'>> {
  return putIfAbsent(store, 'inputs', inputsKey(record.jobId, record.segment), record);
}

export function readInputs(store: Store, jobId: JobId, segment: number): Promise<Stored<'inputs'> | null> {
  return readRecord(store, 'inputs', inputsKey(jobId, segment));
}

/** All input files of a job in order of their numbers, one record at a time. */
export async function* listInputFiles(store: Store, jobId: JobId): AsyncGenerator<InputFile> {
  for await (const entry of store.list(inputsDir(jobId))) {
    const segment = parseNumberedKey(entry.key);
    const stored = segment === null ? null : await readInputs(store, jobId, segment);
    if (stored) yield* stored.record.files;
  }
}

/** Every job there is, ended or not; also one whose marker or inputs are all there is of it. */
export async function* listJobIds(store: Store): AsyncGenerator<JobId> {
  for await (const entry of store.list(jobsDir, { fold: true })) {
    const jobId = parseJobDir(entry.key);
    if (jobId !== null) yield jobId;
  }
}
