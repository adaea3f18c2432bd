/** A job as its journal tells it, read as plain files without any code of the product: what checks must not trust what it checks. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, FailureRecord, Manifest, Receipt, Segment, Verdict } from '@millrace/protocol';
import { filesBelow } from '../../e2e/support/journal-files.ts';

export interface ListedChunk {
  readonly stage: string;
  readonly chunk: number;
  readonly generation: number;
  readonly kind: string;
}

export interface ReadVerdict {
  readonly stage: string;
  readonly chunk: number;
  readonly generation: number;
  readonly verdict: Verdict;
}

export interface ReadJob {
  readonly jobId: string;
  /** Every entry of every plan. */
  readonly listed: readonly ListedChunk[];
  readonly verdicts: readonly ReadVerdict[];
  readonly manifests: ReadonlyMap<number, Manifest>;
  readonly failures: readonly FailureRecord[];
  readonly commands: readonly Command[];
}

const jobDirectory = (out: string, jobId: string): string => join(out, '_journal', 'jobs', jobId);
const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

/** Records only: a put under way has a temporary name that begins with a dot. */
const recordsBelow = (directory: string): string[] => filesBelow(directory).filter((path) => /\/[0-9a-z][^/]*\.json$/.test(path));

export const isAccepted = (out: string, jobId: string): boolean => existsSync(join(jobDirectory(out, jobId), 'job.json'));

export function manifestOf(out: string, jobId: string, generation: number): Manifest | null {
  const path = join(jobDirectory(out, jobId), 'manifests', `${String(generation).padStart(6, '0')}.json`);
  return existsSync(path) ? readJson<Manifest>(path) : null;
}

export function readJob(out: string, jobId: string): ReadJob {
  const home = jobDirectory(out, jobId);
  return {
    jobId,
    listed: recordsBelow(join(home, 'plan')).flatMap(listedIn),
    verdicts: recordsBelow(join(home, 'verdicts')).map(readVerdict),
    manifests: new Map(recordsBelow(join(home, 'manifests')).map((path) => [Number(/(\d+)\.json$/.exec(path)?.[1]), readJson<Manifest>(path)])),
    failures: recordsBelow(join(home, 'failures')).map((path) => readJson<FailureRecord>(path)),
    commands: recordsBelow(join(home, 'commands')).map((path) => readJson<Command>(path)),
  };
}

function listedIn(path: string): ListedChunk[] {
  const record = readJson<Segment | { record: 'planEnd' | 'sealed' }>(path);
  if (record.record !== 'segment') return [];
  const { stage, generation } = record;
  return record.chunks.map(({ chunk, kind }) => ({ stage, chunk, generation, kind }));
}

function readVerdict(path: string): ReadVerdict {
  const match = /\/([^/]+)\/(\d+)(?:\.(\d+))?\.json$/.exec(path);
  if (match === null) throw new Error(`${path}: no name of a verdict`);
  return { stage: match[1] ?? '', chunk: Number(match[2]), generation: Number(match[3] ?? 1), verdict: readJson<Verdict>(path) };
}

export const receiptsOf = (job: ReadJob): (ReadVerdict & { readonly verdict: Receipt })[] =>
  job.verdicts.filter((one): one is ReadVerdict & { verdict: Receipt } => one.verdict.outcome === 'committed');

/** Names in a directory, without what is hidden. */
export function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).filter((name) => !name.startsWith('.')) : [];
}
