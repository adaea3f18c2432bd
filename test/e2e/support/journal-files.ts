/** What lies in the journal of an output directory, read as plain files: tests must not trust the code that they test. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DeadLetter, FailureRecord, Manifest, Segment } from '@millrace/protocol';

const jobDirectory = (out: string, jobId: string): string => join(out, '_journal', 'jobs', jobId);

export function jobIds(out: string): string[] {
  return namesIn(join(out, '_journal', 'jobs'));
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).filter((name) => !name.startsWith('.')) : [];
}

/** Every file below a directory, hidden ones too. */
export function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

export const isSealed = (out: string, jobId: string): boolean => existsSync(join(jobDirectory(out, jobId), 'plan', 'sealed.json'));

export function plannedChunks(out: string, jobId: string): number {
  return readJson<{ chunks: number }>(join(jobDirectory(out, jobId), 'plan', 'sealed.json')).chunks;
}

/** Segments of the first plan. */
export function planSegments(out: string, jobId: string): Segment[] {
  const records = visible(join(jobDirectory(out, jobId), 'plan')).map((path) => readJson<Segment>(path));
  return records.filter(({ record }) => record === 'segment');
}

/** Chunks of the map stage with a verdict. */
export const verdictCount = (out: string, jobId: string, stage: string): number => namesIn(join(jobDirectory(out, jobId), 'verdicts', stage)).length;

/** Name and digest of every verdict of the map stage. */
export function verdictDigests(out: string, jobId: string, stage: string): Map<string, string> {
  const directory = join(jobDirectory(out, jobId), 'verdicts', stage);
  return new Map(namesIn(directory).map((name) => [name, sha256Of(join(directory, name))]));
}

export const sha256Of = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

export function failures(out: string, jobId: string): FailureRecord[] {
  return visible(join(jobDirectory(out, jobId), 'failures')).map((path) => readJson<FailureRecord>(path));
}

export function deadLetters(out: string, jobId: string): DeadLetter[] {
  return visible(join(jobDirectory(out, jobId), 'dead')).map((path) => readJson<DeadLetter>(path));
}

const visible = (directory: string): string[] => filesBelow(directory).filter((path) => path.endsWith('.json'));

export function manifest(out: string, jobId: string, generation = 1): Manifest {
  return readJson<Manifest>(join(jobDirectory(out, jobId), 'manifests', `${String(generation).padStart(6, '0')}.json`));
}

export const openMarkers = (out: string): string[] => namesIn(join(out, '_journal', 'open'));

export const sizeOf = (path: string): number => statSync(path).size;
