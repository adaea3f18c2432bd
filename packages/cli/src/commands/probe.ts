/** `millrace probe FILE…`: how the files would be read and why, as a job spec to look through, edit and run. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { codeInfo, type InputPins, inputPinsShape, type ResolvedInput, type ResolvedJobSpec, spreadSamples } from '@millrace/protocol';
import { type Command, type CommandCall, type FlagValues, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Directory, openDirectoryAt } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { probedSpec } from '../probed-spec.ts';
import { type RemoteObject, remoteObjects } from '../remote-inputs.ts';
import { expand, readSpec } from './run.ts';

const DEADLINE_MS = 120_000;

export const probe: Command = {
  name: 'probe',
  synopsis: 'FILE… [--out DIR]   |   --spec SPEC [FILE…]',
  help: 'Shows how files would be read, each choice with its evidence, as a spec for `millrace run`: edit what is wrong, and pass it back.',
  flags: {
    spec: { type: 'string', value: 'SPEC', help: 'a job spec: what it says is taken as it is; FILEs stand in for those of its first input' },
    out: { type: 'string', short: 'o', value: 'DIR', help: 'where the printed spec will have `run` write (out)' },
    schema: { type: 'string', value: 'FILE', help: 'a table schema (JSON or YAML), or text: every column as it is' },
    delimiter: { type: 'string', value: 'TEXT', help: 'field separator, else detected' },
    quote: { type: 'string', value: 'TEXT', help: 'quote character, else detected; empty: none' },
    'no-header': { type: 'boolean', help: 'the first line is data' },
    encoding: { type: 'string', value: 'LABEL', help: 'such as windows-1252, else detected' },
    set: { type: 'string', value: 'PATH=VALUE', multiple: true, help: 'any other place of the spec, such as inputs.format=lines' },
  },
  reads: () => true,
  run: async (call) => {
    const spec = readSpec(callOfRun(call));
    const { pins, files } = await probeInputs(spec, urisOf(call, spec));
    const artefact = probedSpec(
      spec,
      pins,
      files.map((some) => some.map(({ uri }) => uri)),
    );
    call.output.document({ inputs: pins, spec: artefact.spec });
    call.output.line(artefact.text.trimEnd());
    return exitCodes.done;
  },
};

/** The same arguments as `run` takes them. */
function callOfRun({ args, flags, ...call }: CommandCall): CommandCall {
  const spec = textFlag(flags, 'spec');
  const rest: FlagValues = { ...flags, spec: undefined };
  if (spec !== undefined) return { ...call, args: [spec], flags: { ...rest, out: undefined } };
  if (args.length === 0) throw new CommandError(exitCodes.usage, 'expected FILE…, or --spec SPEC', 'See `millrace probe --help`.');
  return { ...call, args, flags: { ...rest, out: textFlag(flags, 'out') ?? 'out' } };
}

/** URIs, patterns and folders of each input, as they were written. */
function urisOf({ args, flags }: CommandCall, spec: ResolvedJobSpec): string[][] {
  const isInsteadOfFirst = textFlag(flags, 'spec') !== undefined && args.length > 0;
  return spec.inputs.map((input, index) => {
    const uris = index === 0 && isInsteadOfFirst ? args.map(uriOf) : [...(input.uri ?? [])];
    if (uris.length === 0) throw new CommandError(exitCodes.usage, `input ${input.name} names no file`, 'Files of a list are not probed: name some as FILE….');
    return uris;
  });
}

const uriOf = (place: string): string => (/^[a-z][a-z0-9+.-]*:\/\//i.test(place) ? place : pathToFileURL(place).href);
const isLocal = (uri: string): boolean => uri.startsWith('file://');

/** `files`: all files of each input. */
export async function probeInputs(spec: ResolvedJobSpec, uris: readonly (readonly string[])[]): Promise<{ pins: InputPins[]; files: RemoteObject[][] }> {
  const local = uris.map((some) => some.filter(isLocal).flatMap(expand));
  const home = mkdtempSync(join(tmpdir(), 'millrace-probe-'));
  const places = [...local.flat().map((path) => dirname(path)), ...uris.flat().filter((uri) => !isLocal(uri))];
  const directory = openDirectoryAt(home, [...new Set(places)]);
  try {
    const [pins, files]: [InputPins[], RemoteObject[][]] = [[], []];
    for (const [index, input] of spec.inputs.entries()) {
      const found = await filesOf(directory, local[index] ?? [], uris[index] ?? []);
      if (found.length === 0) throw new CommandError(exitCodes.notFound, `no file of input ${input.name}: ${uris[index]?.join(', ')}`);
      pins.push(await probeInput(directory, { ...input, schema: input.schema ?? spec.schema }, found));
      files.push(found);
    }
    return { pins, files };
  } finally {
    await directory.close();
    rmSync(home, { recursive: true, force: true });
  }
}

/** The files of one input, each once, by URI. */
async function filesOf(directory: Directory, local: readonly string[], uris: readonly string[]): Promise<RemoteObject[]> {
  const found = local.map((path): RemoteObject => ({ uri: pathToFileURL(path).href, etag: '', size: sizeOf(path) }));
  for (const uri of uris.filter((one) => !isLocal(one))) found.push(...(await remoteObjects(directory, uri)));
  const byUri = new Map(found.map((file) => [file.uri, file]));
  return [...byUri.values()].sort((a, b) => (a.uri < b.uri ? -1 : 1));
}

async function probeInput({ core }: Directory, declared: ResolvedInput, files: readonly RemoteObject[]): Promise<InputPins> {
  const input = spreadSamples(files).map((file) => ({ ...file, connection: declared.connection ?? null }));
  const answer = await core.request({ type: 'Probe', input, declared: JSON.stringify(declared) }, { deadlineMs: DEADLINE_MS });
  if (answer.failed === null) return inputPinsShape.parse(JSON.parse(new TextDecoder().decode(answer.payload)));
  const { code, message } = answer.failed;
  throw new CommandError(exitFor(code), `${code}: ${message}`, codeInfo(code).hint || null, { code });
}

function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new CommandError(exitCodes.notFound, `no such file: ${path}`);
  return found.size;
}

/** What the caller has to decide, or has written wrongly, is the usage code. */
function exitFor(code: string): ExitCode {
  if (code === 'INPUT_NOT_FOUND') return exitCodes.notFound;
  if (code === 'STORAGE_FORBIDDEN') return exitCodes.notAllowed;
  return code.startsWith('SPEC_') || code.endsWith('_UNCERTAIN') || code === 'INPUT_MAGIC' || code === 'ENCODING_MISMATCH' ? exitCodes.usage : exitCodes.failed;
}
