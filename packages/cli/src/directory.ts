/** A directory that `millrace run` wrote, read through a core of its own: no server, no Redis. */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Connections, corePath, type HelloOptions, SteadyCore, startCore } from '@millrace/core-client';
import { type JobView, type Journal, openJournal } from '@millrace/journal';
import { filePath, isJobId, type JobId, type JobRecord } from '@millrace/protocol';
import { silentLog } from '@millrace/service-kit';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';
import { localConnections } from './local-connections.ts';
import { isRemote, journalUriOf, placeOf } from './output-place.ts';

export interface Directory {
  /** An absolute path, or the URI of a folder in a bucket. */
  readonly path: string;
  readonly journal: Journal;
  readonly core: SteadyCore;
  close(): Promise<void>;
}

const CORE_BYTES = 256 << 20;

export const journalDirectory = (out: string): string => join(resolve(out), '_journal');

/** The binary that `npm run setup` built; throws with how to get it. */
export function coreBinary(): string {
  const binary = process.env['MILLRACE_CORE'] ?? corePath();
  if (existsSync(binary)) return binary;
  throw new CommandError(exitCodes.notInstalled, 'the Rust core is not built', 'Run `npm run setup` in the project.');
}

/** Throws when the directory holds no journal. */
export async function openDirectory(out: string): Promise<Directory> {
  const path = placeOf(out);
  if (isRemote(path)) return openDirectoryAt(path);
  if (!existsSync(path)) throw new CommandError(exitCodes.notFound, `no such directory: ${out}`);
  if (!statSync(path).isDirectory() || !existsSync(journalDirectory(path))) {
    throw new CommandError(exitCodes.notFound, `${out} holds no journal`, 'Name the directory that `millrace run … --out DIR` wrote to.');
  }
  return openDirectoryAt(path);
}

/** For a place that `run` has just made, or is about to fill. `extraReadRoots`: directories and URIs that are to be read too. */
export function openDirectoryAt(path: string, extraReadRoots: readonly string[] = []): Directory {
  const binary = coreBinary();
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-core-'));
  const connections = localConnections([path, ...extraReadRoots]).withJournal(journalUriOf(path));
  const core = new SteadyCore(() => startCore({ binary, hello: hello(connections, path, extraReadRoots, scratch), connections, log: silentLog }));
  const close = async (): Promise<void> => {
    await core.stop();
    rmSync(scratch, { recursive: true, force: true });
  };
  return { path, journal: openJournal(core), core, close };
}

function hello(connections: Connections, path: string, extraReadRoots: readonly string[], scratchDir: string): HelloOptions {
  const isLocal = (place: string): boolean => place.startsWith('/');
  return {
    hostVersion: '0.1.0',
    slot: 0,
    memoryBytes: CORE_BYTES,
    scratchBytes: CORE_BYTES,
    scratchDir,
    readRoots: [path, ...extraReadRoots].filter(isLocal),
    writeRoots: [path].filter(isLocal),
    connections: connections.forHello(),
    httpAllow: [],
    ports: [],
    sandbox: 'bestEffort',
    logLevel: 'error',
  };
}

/** Directories and URIs that a job's inputs lie in, so that a core may read them. */
export async function inputRoots(journal: Journal, jobId: JobId): Promise<string[]> {
  const roots = new Set<string>();
  for await (const { uri } of journal.listInputFiles(jobId)) roots.add(uri.startsWith('file://') ? resolve(filePath(uri), '..') : uri);
  return [...roots].filter((root) => !root.startsWith('/') || existsSync(root));
}

/** Opens a directory and its newest job, acts, and closes whatever happens. Cores of their own may read the job's inputs too. */
export async function withJob<T>(out: string | undefined, act: (directory: Directory, view: JobView) => Promise<T>): Promise<T> {
  if (out === undefined) throw new CommandError(exitCodes.usage, 'expected the directory that `run` wrote to');
  const directory = await openDirectory(out);
  try {
    const job = await newestJob(directory.journal);
    if (job === null) throw new CommandError(exitCodes.notFound, `the journal of ${out} holds no job`);
    const view = await directory.journal.readJob(job.jobId);
    if (view === null) throw new CommandError(exitCodes.notFound, `the journal of ${out} holds no job`);
    const roots = await inputRoots(directory.journal, job.jobId);
    await directory.close();
    return await actOn(directory.path, roots, view, act);
  } finally {
    await directory.close();
  }
}

async function actOn<T>(path: string, roots: readonly string[], view: JobView, act: (directory: Directory, view: JobView) => Promise<T>): Promise<T> {
  const reading = openDirectoryAt(path, roots);
  try {
    return await act(reading, view);
  } finally {
    await reading.close();
  }
}

/** The job of a directory; of several, the one accepted last. */
export async function newestJob(journal: Journal): Promise<JobRecord | null> {
  let newest: JobRecord | null = null;
  for await (const jobId of journal.listJobIds()) {
    const stored = isJobId(jobId) ? await journal.readJobRecord(jobId) : null;
    if (stored !== null && (newest === null || stored.record.acceptedAt > newest.acceptedAt)) newest = stored.record;
  }
  return newest;
}

/** The short name of a chunk, as people type it: `<stage>.<chunk>`. */
export const shortChunk = (stage: string, chunk: number): string => `${stage}.${chunk}`;
