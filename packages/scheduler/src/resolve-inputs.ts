/**
 * Inputs as written → files pinned to a version, in the order written and within a pattern by name. Everything is asked of the core, which alone
 * knows what may be read. A file named twice is read once.
 */
import {
  checkExpected,
  directoryOfPattern,
  type InputFile,
  isHiddenBelow,
  isPattern,
  type LookupFile,
  maxFilesPerJob,
  maxPinnedFiles,
  patternOf,
  type ResolvedInput,
  type ResolvedJobSpec,
  schemeOf,
  tooManyChunks,
} from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import type { Control } from './control.ts';
import { listedFiles } from './list-file.ts';
import { type Found, fileAt, listBelow, versioned } from './stored-inputs.ts';

/** Throws `AppError`: `INPUT_NOT_FOUND`, `INPUT_NONE`, `INPUT_LIST`, `INPUT_CHANGED`, `INPUT_COUNT_MISMATCH`, `INPUT_DIGEST_MISMATCH`, `STORAGE_FORBIDDEN`, or what the core says of a place. */
export async function resolveInputs(spec: ResolvedJobSpec, control: Control): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const [index, input] of spec.inputs.entries()) {
    for (const file of await resolveInput(input, control)) files.push({ file: files.length, input: index, ...file });
  }
  if (files.length > maxFilesPerJob)
    throw new AppError('SPEC_OUT_OF_RANGE', `cannot resolve inputs: expected at most ${maxFilesPerJob} files, got ${files.length}`);
  const tooMany = tooManyChunks(
    files.reduce((sum, { size }) => sum + size, 0),
    spec.execution.chunkSize,
  );
  if (tooMany !== null) throw new AppError('SPEC_OUT_OF_RANGE', `cannot resolve inputs: ${tooMany}`);
  return files;
}

/** The files of one input. Throws as `resolveInputs` does. */
export async function resolveInput(input: ResolvedInput, control: Control): Promise<Omit<InputFile, 'file' | 'input'>[]> {
  const found = await filesOfInput(input, control);
  for (const file of found) versioned(file);
  const unexpected = checkExpected(input, { files: found.length, bytes: found.reduce((sum, file) => sum + file.size, 0) });
  if (unexpected) throw new AppError(unexpected.code, `cannot resolve inputs: ${unexpected.message}`);
  if (input.pin === 'file' && found.length > maxPinnedFiles) {
    throw new AppError(
      'SPEC_OUT_OF_RANGE',
      `cannot resolve inputs: input ${input.name}: pin: file is for at most ${maxPinnedFiles} files, got ${found.length}`,
    );
  }
  return withDigest(found, input);
}

/** `expect.sha256` speaks of one file: planning holds its bytes against it. */
function withDigest(files: readonly Found[], { name, expect }: ResolvedInput): (Found & Required<Pick<Found, 'sha256' | 'records'>>)[] {
  if (expect.sha256 !== null && files.length !== 1) {
    throw new AppError('INPUT_DIGEST_MISMATCH', `cannot resolve inputs: input ${name}: expect.sha256 is for one file, got ${files.length}`);
  }
  return files.map((file) => ({ ...file, sha256: expect.sha256 ?? file.sha256 ?? null, records: file.records ?? null }));
}

/** The small tables of stages at the versions that stand there now. Throws `INPUT_LOOKUP` for one that is larger than it may be. */
export async function resolveLookups(spec: ResolvedJobSpec, control: Control): Promise<LookupFile[]> {
  const files: LookupFile[] = [];
  for (const { name: stage, lookups } of spec.pipeline) {
    for (const { name, uri, maxSize } of lookups) {
      const found = versioned(await fileAt(uri, null, control));
      const { etag, size } = found;
      if (size > maxSize)
        throw new AppError('INPUT_LOOKUP', `cannot resolve lookup ${name} of stage ${stage}: expected at most ${maxSize} bytes (maxSize), got ${size}`);
      files.push({ stage, name, uri: found.uri, etag, size });
    }
  }
  return files;
}

async function filesOfInput(input: ResolvedInput, control: Control): Promise<Found[]> {
  const found = new Map<string, Found>();
  for (const listed of input.list === null ? [] : await listedFiles(input.list, input.connection, control)) {
    const file = await fileAt(listed.uri, input.connection, control);
    if (listed.etag !== null && listed.etag !== file.etag) {
      throw new AppError(
        'INPUT_CHANGED',
        `cannot resolve inputs: ${input.list}, line ${listed.line}: ${listed.uri} has the etag ${file.etag}, the list says ${listed.etag}`,
      );
    }
    found.set(file.uri, { ...file, sha256: listed.sha256, records: listed.records });
  }
  if (input.list !== null && found.size === 0 && input.ifNone === 'fail')
    throw new AppError('INPUT_NONE', `cannot resolve inputs: ${input.list} names no file`);
  for (const uri of input.uri ?? []) {
    const matches = await filesOfUri(uri, input.connection, control);
    if (matches.length === 0 && input.ifNone === 'fail') throw new AppError('INPUT_NONE', `cannot resolve inputs: nothing matches ${uri}`);
    for (const match of matches) found.set(match.uri, match);
  }
  return [...found.values()];
}

async function filesOfUri(uri: string, connection: string | null, control: Control): Promise<Found[]> {
  // A web server is not listed, and a question mark there begins a query.
  if (schemeOf(uri) === 'https' || schemeOf(uri) === 'http') return [await fileAt(uri, connection, control)];
  if (uri.endsWith('/')) return (await listBelow(uri, control, { connection })).filter((found) => !isHiddenBelow(uri, found.uri));
  if (isPattern(withoutScheme(uri))) return filesOfPattern(uri, connection, control);
  return [await fileAt(uri, connection, control)];
}

const withoutScheme = (uri: string): string => uri.slice(schemeOf(uri).length + '://'.length);

/** A pattern is matched against spelled URIs: there an escaped mark of a local path can be told from a mark. */
async function filesOfPattern(uri: string, connection: string | null, control: Control): Promise<Found[]> {
  const written = withoutScheme(uri);
  const pattern = patternOf(written);
  const isLocal = schemeOf(uri) === 'file';
  const directory = directoryOfPattern(written);
  if (directory === '/' && !isLocal) throw new AppError('SPEC_URI', `cannot resolve ${uri}: expected a bucket without a pattern`);
  const isWanted = (path: string): boolean => pattern.test(path) || (isLocal && pattern.test(withEscapedMarks(path)));
  return (await listBelow(`${schemeOf(uri)}://${directory}`, control, { connection })).filter((found) => isWanted(withoutScheme(found.uri)));
}

function withEscapedMarks(path: string): string {
  return path.replace(/[*?[\]{}]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
