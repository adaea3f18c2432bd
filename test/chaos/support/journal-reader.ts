/** A job as its journal tells it, read as plain files without any code of the product: what checks must not trust what it checks. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, FailureRecord, JobRecord, Manifest, Receipt, Segment, Verdict } from '@millrace/protocol';
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

export const recordOf = (out: string, jobId: string): JobRecord => readJson<JobRecord>(join(jobDirectory(out, jobId), 'job.json'));

export function manifestOf(out: string, jobId: string, generation: number): Manifest | null {
  const path = join(jobDirectory(out, jobId), 'manifests', `${String(generation).padStart(6, '0')}.json`);
  return existsSync(path) ? wholeManifest(path) : null;
}

/** With the lists that stand in pages, in the folder that is called as the manifest. */
function wholeManifest(path: string): Manifest {
  const manifest = readJson<Manifest>(path);
  for (const { list, name } of manifest.pages ?? []) {
    const page = readJson<{ list: string; entries: never[] }>(join(path.replace(/\.json$/, ''), name));
    if (page.list !== list) throw new Error(`${name}: a page of ${page.list}, named as one of ${list}`);
    manifest[list].push(...page.entries);
  }
  return manifest;
}

export function readJob(out: string, jobId: string): ReadJob {
  const home = jobDirectory(out, jobId);
  return {
    jobId,
    listed: recordsBelow(join(home, 'plan')).flatMap(listedIn),
    verdicts: recordsBelow(join(home, 'verdicts')).map(readVerdict),
    manifests: new Map(namesIn(join(home, 'manifests')).flatMap((name) => manifestNamed(join(home, 'manifests'), name))),
    failures: recordsBelow(join(home, 'failures')).map((path) => readJson<FailureRecord>(path)),
    commands: recordsBelow(join(home, 'commands')).map((path) => readJson<Command>(path)),
  };
}

/** Pages lie in folders. */
function manifestNamed(folder: string, name: string): [number, Manifest][] {
  const generation = /^(\d+)\.json$/.exec(name)?.[1];
  return generation === undefined ? [] : [[Number(generation), wholeManifest(join(folder, name))]];
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
