/** `millrace run`: a whole job on this computer, in one process tree. Running the same command again continues, redrives, or reports. */

import { createHash } from 'node:crypto';
import { globSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { JobView } from '@millrace/journal';
import { ConflictError, JobFailedError, type JobHandle, MillraceError, SpecError } from '@millrace/producer';
import {
  assertAvailable,
  filePath,
  SpecError as IssuesError,
  issueText,
  type JobStatus,
  jobIdFromKey,
  type Manifest,
  manifestCount,
  parseInputList,
  type ResolvedJobSpec,
  resolveJobSpec,
  specDigest,
} from '@millrace/protocol';
import { type Command, type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Directory, journalDirectory, newestJob, openDirectoryAt } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { followJob } from '../follow-job.ts';
import { defaultSlots, type LocalStack, startLocalStack } from '../local-stack.ts';
import { isRemote, placeOf } from '../output-place.ts';
import { firstRejects } from '../read-rejects.ts';
import { remoteVersions } from '../remote-inputs.ts';
import { describeManifest } from '../run-report.ts';
import { writtenSpec } from '../run-spec.ts';
import { readLetters } from './dead.ts';

export const run: Command = {
  name: 'run',
  synopsis: 'FILE… --out DIR   |   SPEC.yaml',
  help: 'Runs a whole job on this computer: probes, plans exact chunks, types and checks every record, writes the clean ones and the rejects.',
  flags: {
    out: { type: 'string', short: 'o', value: 'DIR', help: 'where the output goes; the arguments are data then' },
    format: { type: 'string', value: 'FORMAT', help: 'parquet (default), csv or ndjson' },
    sql: { type: 'string', value: 'QUERY', help: 'a SELECT over the table input, row by row' },
    schema: { type: 'string', value: 'FILE', help: 'a table schema (JSON or YAML), or text: every column as it is' },
    'chunk-size': { type: 'string', value: 'SIZE', help: 'target size of a chunk (64MiB)' },
    workers: { type: 'string', value: 'N', help: 'cores that work at once (as many as fit)' },
    delimiter: { type: 'string', value: 'TEXT', help: 'field separator, else detected' },
    quote: { type: 'string', value: 'TEXT', help: 'quote character, else detected; empty: none' },
    'no-header': { type: 'boolean', help: 'the first line is data' },
    encoding: { type: 'string', value: 'LABEL', help: 'such as windows-1252, else detected' },
    'max-reject-ratio': { type: 'string', value: 'RATIO', help: 'fail above this share of rejects (0.1)' },
    'fail-on-rejects': { type: 'boolean', help: 'exit with 6 when there are any rejects' },
    set: { type: 'string', value: 'PATH=VALUE', multiple: true, help: 'any other place of the spec' },
    'print-spec': { type: 'boolean', help: 'show the resolved spec and stop' },
    replace: { type: 'boolean', help: 'remove what earlier runs wrote to DIR, and start afresh' },
    redis: { type: 'string', value: 'URL', help: 'use a Redis that runs already' },
    verbose: { type: 'boolean', short: 'v', help: 'keep the log of all roles in DIR/_journal/run.log' },
  },
  run: async (call) => {
    const spec = readSpec(call);
    if (isSet(call.flags, 'print-spec')) return printSpec(call, spec);
    const job = await describeJob(spec);
    if (isSet(call.flags, 'replace')) replaceOutput(call, job.directory);
    const settled = await lookAtDirectory(call, job);
    return settled ?? (await runJob(call, job));
  },
};

/** Resolved, with every issue told at once. */
export function readSpec(call: CommandCall): ResolvedJobSpec {
  const { spec, baseDirectory } = writtenSpec(call);
  try {
    const resolved = resolveJobSpec(spec as never, { baseDir: baseDirectory });
    assertAvailable(resolved);
    if (resolved.schedule !== null)
      throw new CommandError(exitCodes.usage, 'a schedule makes jobs and is none: `run` runs once', 'Take schedule out of the spec.', {
        code: 'SPEC_SCHEDULE_HERE',
      });
    return resolved;
  } catch (error) {
    if (!(error instanceof IssuesError)) throw error;
    throw new CommandError(exitCodes.usage, `the job spec is wrong: ${error.issues.map(issueText).join('; ')}`, null, {
      code: error.code,
      issues: error.issues,
    });
  }
}

function printSpec(call: CommandCall, spec: ResolvedJobSpec): ExitCode {
  call.output.document(spec);
  call.output.line(JSON.stringify(spec, null, 2));
  return exitCodes.done;
}

interface RunJob {
  readonly spec: ResolvedJobSpec;
  readonly directory: string;
  readonly key: string;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
  /** Everything that is read or written. */
  readonly uris: readonly string[];
}

/** The job's key is the digest of spec and inputs, so the same command over the same files is the same job. */
async function describeJob(spec: ResolvedJobSpec): Promise<RunJob> {
  const directory = placeOf(spec.output.uri);
  const uris = spec.inputs.flatMap((input) => (typeof input.uri === 'string' ? [input.uri] : (input.uri ?? [])));
  const lists = spec.inputs.flatMap(({ list }) => (list === null ? [] : [list]));
  const lookups = spec.pipeline.flatMap((stage) => stage.lookups.map(({ uri }) => uri));
  const named = [...lists, ...lists.filter(isLocal).flatMap(listed), ...lookups, ...schemaUris(spec)];
  const files = [...uris.filter(isLocal).flatMap(expand), ...named.filter(isLocal).map(localPath)];
  const remote = [...uris, ...named].filter((uri) => !isLocal(uri));
  const pinned = files.map((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? [path] : [path, found.ino, found.size, found.mtimeMs];
  });
  const key = `run:${createHash('sha256')
    .update(JSON.stringify([specDigest(spec), pinned, ...(remote.length === 0 ? [] : [await remoteVersions(remote, directory)])]))
    .digest('hex')}`;
  const rejects = spec.rejects.uri === undefined || spec.rejects.uri === null ? [] : [placeOf(spec.rejects.uri)];
  return {
    spec,
    directory,
    key,
    readRoots: [...new Set([...uris.filter(isLocal).map(fixedDirectory), ...files.map((path) => dirname(path))])],
    writeRoots: [directory, ...rejects].filter((place) => !isRemote(place)),
    uris: [...uris, ...named, directory, ...rejects],
  };
}

function schemaUris({ schema, inputs, pipeline }: ResolvedJobSpec): string[] {
  const written = [schema, ...inputs.map((input) => input.schema), ...pipeline.flatMap(({ lookups }) => lookups.map((lookup) => lookup.schema))];
  return [...new Set(written.flatMap((schema) => (typeof schema === 'string' && schema.includes('://') ? [schema] : [])))];
}

const isLocal = (uri: string): boolean => uri.startsWith('file://');
const localPath = (uri: string): string => resolve(filePath(uri));

/** Files that a list names; what is wrong with it is said when the job is submitted. */
function listed(list: string): string[] {
  const path = localPath(list);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) throw new CommandError(exitCodes.notFound, `no such file: ${path}`);
  const parsed = parseInputList(readFileSync(path, 'utf8'));
  return 'files' in parsed ? parsed.files.map(({ uri }) => uri) : [];
}

/** Files that a location names; a folder names all below it, but for names that begin with `_` or `.`. */
export function expand(uri: string): string[] {
  const path = localPath(uri);
  if (uri.endsWith('/'))
    return globSync('**/*', { cwd: path, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined) return [path];
  const matches = globSync(path);
  if (matches.length === 0) throw new CommandError(exitCodes.notFound, /[*?[{]/.test(path) ? `no file matches ${path}` : `no such file: ${path}`);
  return matches.sort();
}

/** The directory of a location up to its first wildcard: what must be readable to list it. */
function fixedDirectory(uri: string): string {
  const path = localPath(uri);
  if (uri.endsWith('/')) return path;
  const names = path.split('/');
  const first = names.findIndex((name) => /[*?[{]/.test(name));
  return names.slice(0, first < 0 ? -1 : first).join('/') || '/';
}

/** Removes what earlier runs wrote there, and nothing else. */
function replaceOutput(call: CommandCall, directory: string): void {
  if (isRemote(directory))
    throw new CommandError(
      exitCodes.usage,
      '--replace works on directories of this computer only',
      'Remove the folder with the tool of its store, or take another one.',
    );
  const found = statSync(join(directory, '_journal'), { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!isSet(call.flags, 'yes')) throw new CommandError(exitCodes.needsConfirmation, `--replace removes what earlier runs wrote to ${directory}`, 'Add --yes.');
  for (const name of readdirSync(directory)) {
    if (/^part-[a-z0-9]+-\d{6}.*-j[0-9a-z]{26}-a[0-9a-z]{26}\./.test(name)) rmSync(join(directory, name));
  }
  for (const name of ['_journal', '_manifests', '_rejects', '_SUCCESS']) rmSync(join(directory, name), { recursive: true, force: true });
}

/** A completed job is only reported, another job's directory is refused; null: there is work to do. */
async function lookAtDirectory(call: CommandCall, job: RunJob): Promise<ExitCode | null> {
  if (!isRemote(job.directory) && statSync(journalDirectory(job.directory), { throwIfNoEntry: false }) === undefined) return null;
  const directory = openDirectoryAt(job.directory, [...job.writeRoots, ...job.uris]);
  try {
    const standing = await newestJob(directory.journal);
    if (standing === null) return null;
    const view = await directory.journal.readJob(standing.jobId);
    const manifest = view?.manifests.find(({ generation }) => generation === view.generation);
    const isOther = standing.jobId !== jobIdFromKey('default', job.key);
    // A job that ended before it wrote anything, such as one with a mistake in its query, is in nobody's way.
    if (isOther && manifest !== undefined && manifest.state !== 'completed' && manifest.chunks.committed === 0) return null;
    if (isOther) {
      throw new CommandError(
        exitCodes.conflict,
        `${job.directory} holds the output of another command or of other inputs`,
        'Take another --out, or --replace to start afresh.',
        { code: 'OUTPUT_NOT_EMPTY' },
      );
    }
    if (view === null || manifest?.state !== 'completed') return null;
    call.output.say('This job is complete already; nothing was run.');
    return await reportEnd(call, job, directory, view, manifest);
  } finally {
    await directory.close();
  }
}

async function runJob(call: CommandCall, job: RunJob): Promise<ExitCode> {
  const slots = readWorkers(textFlag(call.flags, 'workers')) ?? defaultSlots(job.spec.execution.coreMemory);
  const local = await startLocalStack({
    directory: job.directory,
    readRoots: job.readRoots,
    writeRoots: job.writeRoots,
    hostSlots: [slots],
    redisUrl: textFlag(call.flags, 'redis'),
    logFile: isSet(call.flags, 'verbose') ? (isRemote(job.directory) ? resolve('millrace-run.log') : join(journalDirectory(job.directory), 'run.log')) : null,
    uris: job.uris,
  });
  try {
    await Promise.race([follow(call, job, local), local.failed, interrupted(call.signal)]);
  } catch (error) {
    throw explained(error);
  } finally {
    await local.stop();
  }
  return reportJournal(call, job);
}

const interrupted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const stop = (): void => reject(new CommandError(exitCodes.interrupted, 'interrupted', 'Run the same command again: it continues where it stopped.'));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });

function readWorkers(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 256)
    throw new CommandError(exitCodes.usage, `expected 1 to 256 for --workers, got ${JSON.stringify(text)}`);
  return value;
}

/** Submits, or meets the job that is there already; a failed one is redriven. */
async function follow(call: CommandCall, job: RunJob, local: LocalStack): Promise<void> {
  // The scheduler is ours and still starts; should it end instead, the run ends with it.
  const handle = await local.producer.submit(job.spec, { idempotencyKey: job.key, timeout: '120s' });
  call.output.document({ type: 'submitted', jobId: handle.jobId, replayed: handle.replayed });
  const generation = handle.replayed ? await reopenFailed(call, handle) : 1;
  await followJob(call, handle, { generation, directory: job.directory, readRoots: job.readRoots });
}

/** The generation to follow. */
async function reopenFailed(call: CommandCall, handle: JobHandle): Promise<number> {
  const status: JobStatus = await handle.status();
  if (status.state !== 'failed' && status.state !== 'cancelled') {
    call.output.say('Continuing where the last run stopped.');
    return status.generation;
  }
  const { generation, chunks } = await handle.redrive('run again');
  call.output.say(`The last run ${status.state} (${status.failure?.code ?? ''}): generation ${generation} takes up ${chunks} chunks.`);
  return generation;
}

async function reportJournal(call: CommandCall, job: RunJob): Promise<ExitCode> {
  const directory = openDirectoryAt(job.directory, [...job.writeRoots, ...job.uris]);
  try {
    const view = await directory.journal.readJob(jobIdFromKey('default', job.key));
    const manifest = view?.manifests.at(-1);
    if (view === null || manifest === undefined) throw new CommandError(exitCodes.failed, 'the job ended without a manifest');
    return await reportEnd(call, job, directory, view, manifest);
  } finally {
    await directory.close();
  }
}

async function reportEnd(call: CommandCall, job: RunJob, directory: Directory, view: JobView, manifest: Manifest): Promise<ExitCode> {
  const exitCode = exitCodeOf(call, manifest);
  const places = { out: placeOf(manifest.outputUri), rejects: placeOf(manifest.rejectsUri) };
  for (const line of describeManifest(manifest, await firstRejects(directory, view, manifest), places)) call.output.line(line);
  for (const line of await deadLines(directory, manifest)) call.output.line(line);
  if (manifest.balance.rejected > 0)
    call.output.line(`See one: millrace peek ${job.directory} --reject 1      All: millrace rejects export ${job.directory} -o rejects.csv`);
  if (manifest.state === 'failed' && manifest.chunks.dead > 0)
    call.output.line(`Dead letters: millrace dead ls ${job.directory}      Try again: millrace redrive ${job.directory}`);
  call.output.document({
    type: 'result',
    jobId: manifest.jobId,
    state: manifest.state,
    generation: manifest.generation,
    balance: manifest.balance,
    byCode: manifest.byCode,
    failure: manifest.failure,
    outputUri: manifest.outputUri,
    rejectsUri: manifest.rejectsUri,
    parts: manifestCount(manifest, 'parts'),
    manifestUri: `${manifest.outputUri}_manifests/${manifest.jobId}.${String(manifest.generation).padStart(6, '0')}.json`,
    exitCode,
  });
  return exitCode;
}

const SHOWN_LETTERS = 3;

/** Why work died, for a job that failed: the first letters in full, the rest counted. */
async function deadLines(directory: Directory, manifest: Manifest): Promise<string[]> {
  if (manifest.state === 'completed') return [];
  const view = await directory.journal.readJob(manifest.jobId);
  const letters = view === null ? [] : (await readLetters(directory, view)).filter(({ state }) => state === 'open');
  const lines = letters.slice(0, SHOWN_LETTERS).map(({ letter }) => `  dead: ${letter.stage}.${letter.chunk}  ${letter.code}: ${letter.message}`);
  return letters.length > SHOWN_LETTERS ? [...lines, `  … ${letters.length - SHOWN_LETTERS} more`] : lines;
}

function exitCodeOf(call: CommandCall, manifest: Manifest): ExitCode {
  if (manifest.state !== 'completed') return exitCodes.jobFailed;
  return isSet(call.flags, 'fail-on-rejects') && manifest.balance.rejected > 0 ? exitCodes.rejects : exitCodes.done;
}

/** Errors of the library as what a person reads. */
export function explained(error: unknown): unknown {
  if (error instanceof SpecError) return new CommandError(exitCodes.usage, error.message, null, { code: error.code, issues: error.issues });
  if (error instanceof ConflictError) return new CommandError(exitCodes.conflict, error.message, null, { code: error.code });
  if (error instanceof JobFailedError) return new CommandError(exitCodes.jobFailed, error.message, null, { code: error.code });
  if (error instanceof MillraceError) return new CommandError(exitFor(error), error.message, null, { code: error.code });
  return error;
}

function exitFor(error: MillraceError): ExitCode {
  if (error.code === 'REDIS_UNAVAILABLE') return exitCodes.unavailable;
  if (error.code === 'OUTPUT_NOT_EMPTY') return exitCodes.conflict;
  if (error.code.startsWith('SPEC_') || error.code.startsWith('INPUT_'))
    return error.code === 'INPUT_NOT_FOUND' || error.code === 'INPUT_NONE' ? exitCodes.notFound : exitCodes.usage;
  return exitCodes.failed;
}
