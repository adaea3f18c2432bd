/** Pure but for reading the files it is given: from the arguments of `millrace run` to the spec of a job. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { type CommandCall, type FlagValues, isSet, textFlag } from './command.ts';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';
import { isRemote, placeOf } from './output-place.ts';

export interface WrittenSpec {
  /** As a person would have written it; places are absolute or relative to `baseDirectory`. */
  readonly spec: Record<string, unknown>;
  readonly baseDirectory: string;
}

/** With `--out` the arguments are data; without it, one of them is a spec. */
export function writtenSpec(call: CommandCall): WrittenSpec {
  const { args, flags } = call;
  if (args.length === 0) throw new CommandError(exitCodes.usage, 'expected FILE… --out DIR, or a spec', 'See `millrace run --help`.');
  const out = textFlag(flags, 'out');
  const written = out === undefined ? specFromFile(args) : specFromFiles(args, out, flags);
  applyFlags(written.spec, flags);
  for (const assignment of listFlag(flags, 'set')) setAt(written.spec, assignment);
  return written;
}

function specFromFile(args: readonly string[]): WrittenSpec {
  const [path, ...rest] = args;
  if (path === undefined || rest.length > 0) throw new CommandError(exitCodes.usage, 'expected one spec, or FILE… with --out DIR');
  const text = readOrExplain(path);
  if (!/\.(ya?ml|json)$/i.test(path))
    throw new CommandError(exitCodes.usage, `${path} is no spec (.yaml, .yml or .json)`, 'To read it as data, add --out DIR.');
  const spec = parseDocument(path, text);
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) throw new CommandError(exitCodes.usage, `${path}: expected an object, the job spec`);
  const written = { spec: spec as Record<string, unknown>, baseDirectory: dirname(resolve(path)) };
  inlineSchema(written);
  return written;
}

/** A schema that the spec names by a local path is read here: the job keeps the schema itself. */
function inlineSchema({ spec, baseDirectory }: WrittenSpec): void {
  const inputs = Array.isArray(spec['inputs']) ? spec['inputs'] : [spec['inputs']];
  for (const holder of [spec, ...inputs]) {
    if (typeof holder !== 'object' || holder === null) continue;
    const { schema } = holder as { schema?: unknown };
    if (typeof schema !== 'string' || schema === 'auto' || schema === 'text' || /^[a-z][a-z0-9+.-]*:\/\//i.test(schema)) continue;
    (holder as { schema?: unknown }).schema = readSchema(join(baseDirectory, schema));
  }
}

function specFromFiles(files: readonly string[], out: string, flags: FlagValues): WrittenSpec {
  const uris = files.map((file) => (isGlob(file) || /^[a-z][a-z0-9+.-]*:\/\//i.test(file) ? file : existingFile(file)));
  const spec: Record<string, unknown> = {
    name: 'run',
    inputs: { uri: uris },
    output: { uri: isRemote(out) ? placeOf(out) : `${pathToFileURL(resolve(out)).href.replace(/\/$/, '')}/` },
  };
  // Text in, text out: without a query or a schema nothing should be reformatted on the way.
  if (textFlag(flags, 'format') === 'csv' && textFlag(flags, 'sql') === undefined && textFlag(flags, 'schema') === undefined) spec['schema'] = 'text';
  return { spec, baseDirectory: process.cwd() };
}

const isGlob = (path: string): boolean => /[*?[{]/.test(path) && !existsSync(path);

function existingFile(path: string): string {
  if (path === '-') throw new CommandError(exitCodes.usage, 'reading stdin is not available in this version', 'Write it to a file first.');
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new CommandError(exitCodes.notFound, `no such file: ${path}`, 'Check the path; a pattern must be in quotes.');
  if (found.isDirectory()) return `${pathToFileURL(resolve(path)).href.replace(/\/$/, '')}/`;
  if (!found.isFile())
    throw new CommandError(exitCodes.usage, `${path} is no regular file`, 'Devices, sockets and pipes cannot be read in chunks: copy the data to a file.');
  return pathToFileURL(resolve(path)).href;
}

/** Flags that say something about the spec, each at its place. */
function applyFlags(spec: Record<string, unknown>, flags: FlagValues): void {
  const sql = textFlag(flags, 'sql');
  if (sql !== undefined) spec['pipeline'] = [{ sql }];
  const schema = textFlag(flags, 'schema');
  if (schema !== undefined) spec['schema'] = schema === 'text' || schema === 'auto' ? schema : readSchema(schema);
  setText(spec, 'output.format', textFlag(flags, 'format'));
  setText(spec, 'execution.chunkSize', textFlag(flags, 'chunk-size'));
  setText(spec, 'inputs.encoding', textFlag(flags, 'encoding'));
  setText(spec, 'inputs.dialect.delimiter', unescaped(textFlag(flags, 'delimiter')));
  setText(spec, 'inputs.dialect.quoteChar', textFlag(flags, 'quote'));
  if (isSet(flags, 'no-header')) setPath(spec, 'inputs.dialect.header', false);
  const ratio = textFlag(flags, 'max-reject-ratio');
  if (ratio !== undefined) setPath(spec, 'rejects.maxRatio', Number(ratio));
}

/** `\t` as people type it in a shell. */
const unescaped = (text: string | undefined): string | undefined => text?.replace(/^\\t$/, '\t');

function setText(spec: Record<string, unknown>, path: string, value: string | undefined): void {
  if (value !== undefined) setPath(spec, path, value);
}

function setAt(spec: Record<string, unknown>, assignment: string): void {
  const at = assignment.indexOf('=');
  if (at < 1) throw new CommandError(exitCodes.usage, `expected --set PATH=VALUE, got ${JSON.stringify(assignment)}`);
  const text = assignment.slice(at + 1);
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: plain text, as `--set output.format=csv` means it.
  }
  setPath(spec, assignment.slice(0, at), value);
}

/** Sets a place such as `inputs.0.dialect.delimiter`; a single input may be named with or without its index. */
function setPath(spec: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  if (keys[0] === 'inputs') normaliseInputs(spec, keys);
  let place = spec as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) {
    const next = place[key];
    if (typeof next !== 'object' || next === null) place[key] = {};
    place = place[key] as Record<string, unknown>;
  }
  place[keys.at(-1) as string] = value;
}

function normaliseInputs(spec: Record<string, unknown>, keys: string[]): void {
  const { inputs } = spec;
  if (typeof inputs === 'string') spec['inputs'] = [{ uri: inputs }];
  else if (!Array.isArray(inputs)) spec['inputs'] = [inputs ?? {}];
  if (!/^\d+$/.test(keys[1] ?? '')) keys.splice(1, 0, '0');
}

function listFlag(flags: FlagValues, name: string): string[] {
  const value = flags[name];
  return Array.isArray(value) ? value.map(String) : [];
}

function readSchema(path: string): unknown {
  return parseDocument(path, readOrExplain(path));
}

function parseDocument(path: string, text: string): unknown {
  try {
    return path.endsWith('.json') ? JSON.parse(text) : parse(text);
  } catch (error) {
    throw new CommandError(exitCodes.usage, `cannot read ${path}: ${(error as Error).message}`);
  }
}

function readOrExplain(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new CommandError(exitCodes.notFound, `no such file: ${path}`);
    if (code === 'EISDIR') throw new CommandError(exitCodes.usage, `${path} is a directory`, 'To read the files in it as data, add --out DIR.');
    throw new CommandError(exitCodes.notAllowed, `cannot read ${path}: ${(error as Error).message}`);
  }
}
