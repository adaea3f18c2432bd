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
  run: async (call) => {
    const spec = readSpec(callOfRun(call));
    const files = filesOf(call, spec);
    const pins = await probeInputs(spec, files);
    const artefact = probedSpec(spec, pins, files);
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

/** Paths of the files of each input. */
function filesOf({ args, flags }: CommandCall, spec: ResolvedJobSpec): string[][] {
  const isInsteadOfFirst = textFlag(flags, 'spec') !== undefined && args.length > 0;
  return spec.inputs.map((input, index) => {
    const uris = index === 0 && isInsteadOfFirst ? args.map((path) => pathToFileURL(path).href) : (input.uri ?? []);
    if (uris.length === 0) throw new CommandError(exitCodes.usage, `input ${input.name} names no file`, 'Files of a list are not probed: name some as FILE….');
    const remote = uris.find((uri) => !uri.startsWith('file://'));
    if (remote !== undefined)
      throw new CommandError(exitCodes.usage, `${remote}: only local files are probed in this version`, '`run` probes remote ones by itself.');
    const files = [...new Set(uris.flatMap(expand))].sort();
    if (files.length === 0) throw new CommandError(exitCodes.notFound, `no file of input ${input.name}: ${uris.join(', ')}`);
    return files;
  });
}

async function probeInputs(spec: ResolvedJobSpec, files: readonly (readonly string[])[]): Promise<InputPins[]> {
  const home = mkdtempSync(join(tmpdir(), 'millrace-probe-'));
  const directory = openDirectoryAt(home, [...new Set(files.flat().map((path) => dirname(path)))]);
  try {
    const pins: InputPins[] = [];
    for (const [index, input] of spec.inputs.entries()) {
      pins.push(await probeInput(directory, { ...input, schema: input.schema ?? spec.schema }, files[index] ?? []));
    }
    return pins;
  } finally {
    await directory.close();
    rmSync(home, { recursive: true, force: true });
  }
}

async function probeInput({ core }: Directory, declared: ResolvedInput, files: readonly string[]): Promise<InputPins> {
  const input = spreadSamples(files).map((path) => ({ uri: pathToFileURL(path).href, connection: null, etag: '', size: sizeOf(path) }));
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
