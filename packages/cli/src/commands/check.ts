/**
 * `millrace check SPEC` and `millrace check FILE…`: whether a submit would take the spec, how its inputs would be read, and what is wrong, each with its
 * place. Nothing is submitted or written. Here by itself; by a server where one is named.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { availabilityIssues, canonicalJson, checkJobSpec, type InputPins, type ResolvedJobSpec, type SpecIssue } from '@millrace/protocol';
import { type Command, type CommandCall, type Flag, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { describeIssue, type Issue, verdict } from '../describe-issues.ts';
import { openDirectoryAt } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { describeEvidence, describePins } from '../run-report.ts';
import { writtenSpec } from '../run-spec.ts';
import { serverFlags } from '../server/server-call.ts';
import { baseName } from '../server/table.ts';
import { probeInputs } from './probe.ts';
import { paramsOf } from './submit.ts';

const deadlineMs = 120_000;

export const check: Command = {
  name: 'check',
  synopsis: 'SPEC.yaml [--offline]   |   FILE… [--delimiter TEXT …]',
  help: 'Says whether a spec would be accepted, with every mistake and its place, and how its inputs would be read: dialect, encoding, types, and what each rests on. Nothing is submitted. Files that are no spec are checked as data. With --url or MILLRACE_URL the server judges, as at a submit.',
  flags: {
    param: { type: 'string', value: 'K=V', multiple: true, help: 'a parameter of the spec; JSON values keep their type' },
    offline: { type: 'boolean', help: 'the spec alone: no input is opened, no server is asked' },
    evidence: { type: 'boolean', help: 'also why each detected value is what it is' },
    'print-schema': { type: 'boolean', help: 'print the schema that was found, to be edited and given to --schema' },
    ...dataFlags(),
    ...serverFlags,
  },
  reads: () => true,
  run: async (call) => {
    const { spec: written, isData } = writtenOf(call);
    if (!isData && isServerNamed(call) && !isSet(call.flags, 'offline'))
      return (await import('../server/check.ts')).checkOnServer(call, written.spec, written.baseDirectory);
    const read = resolved(call, written);
    if ('issues' in read) return tell(call, { issues: [...read.issues], spec: null, inputs: [] });
    const sqlIssue = await checkPipeline(read.spec);
    if (isSet(call.flags, 'offline') || sqlIssue !== null) return tell(call, { issues: sqlIssue === null ? [] : [sqlIssue], spec: read.spec, inputs: [] });
    return checkInputs(call, read.spec);
  },
};

function dataFlags(): Record<string, Flag> {
  return {
    schema: { type: 'string', value: 'FILE', help: 'a table schema (JSON or YAML), or text: every column as it is' },
    delimiter: { type: 'string', value: 'TEXT', help: 'field separator, else detected' },
    quote: { type: 'string', value: 'TEXT', help: 'quote character, else detected; empty: none' },
    'no-header': { type: 'boolean', help: 'the first line is data' },
    encoding: { type: 'string', value: 'LABEL', help: 'such as windows-1252, else detected' },
    set: { type: 'string', value: 'PATH=VALUE', multiple: true, help: 'any other place of the spec' },
  };
}

const isServerNamed = ({ flags }: CommandCall): boolean => textFlag(flags, 'url') !== undefined || (process.env['MILLRACE_URL'] ?? '') !== '';

/** A document with `inputs` is a spec; anything else is data, and `run` would make a spec of it. */
function writtenOf(call: CommandCall): { spec: ReturnType<typeof writtenSpec>; isData: boolean } {
  if (call.args.length === 0) throw new CommandError(exitCodes.usage, 'expected SPEC.yaml, or FILE…', 'See `millrace check --help`.');
  const isSpecName = call.args.length === 1 && /\.(ya?ml|json)$/i.test(call.args[0] ?? '');
  if (isSpecName) {
    const spec = writtenSpec(call);
    if ('inputs' in spec.spec || !/\.json$/i.test(call.args[0] ?? '')) return { spec, isData: false };
  }
  return { spec: writtenSpec({ ...call, flags: { ...call.flags, out: 'out' } }), isData: true };
}

type Read = { readonly spec: ResolvedJobSpec } | { readonly issues: readonly SpecIssue[] };

function resolved(call: CommandCall, { spec, baseDirectory }: ReturnType<typeof writtenSpec>): Read {
  const read = checkJobSpec(spec, { baseDir: baseDirectory, params: (paramsOf(call) ?? undefined) as never });
  if ('issues' in read) return read;
  const issues = availabilityIssues(read.spec);
  return issues.length > 0 ? { issues } : read;
}

/** Syntax and rules of the stages, without an input: what columns there are is not known before the inputs are. */
async function checkPipeline(spec: ResolvedJobSpec): Promise<SpecIssue | null> {
  const lines = spec.inputs.findIndex((input) => input.lines !== null);
  if (spec.pipeline.length === 0 && lines < 0) return null;
  const home = mkdtempSync(join(tmpdir(), 'millrace-check-'));
  const { core, close } = openDirectoryAt(home);
  try {
    const none = { input: null, connection: null, jobKey: null, start: null, end: null, record: null, parts: null };
    const answer = await core.request({ type: 'Inspect', what: 'check', ...none, spec: canonicalJson(spec) }, { deadlineMs });
    if (answer.failed === null) return null;
    const { code, message } = answer.failed;
    if (!code.startsWith('SPEC_')) throw new CommandError(exitCodes.failed, `cannot check the pipeline: ${message}`, null, { code });
    const pattern = /^cannot use lines\.(\w+)/.exec(message)?.[1];
    return { pointer: pattern === undefined ? '/pipeline' : `/inputs/${lines}/lines/${pattern}`, code: code as SpecIssue['code'], message };
  } finally {
    await close();
    rmSync(home, { recursive: true, force: true });
  }
}

async function checkInputs(call: CommandCall, spec: ResolvedJobSpec): Promise<ExitCode> {
  const found: Found = { issues: [], spec, inputs: [] };
  for (const [index, input] of spec.inputs.entries()) {
    // A list is read when it is submitted.
    if (input.uri === null) continue;
    try {
      const { pins, files } = await probeInputs({ ...spec, inputs: [input] }, [[...input.uri]]);
      for (const one of pins)
        found.inputs.push({
          pins: one,
          files: files[0]?.length ?? 0,
          bytes: files[0]?.reduce((sum, { size }) => sum + size, 0) ?? 0,
          first: files[0]?.[0]?.uri ?? '',
        });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const code = typeof error.details['code'] === 'string' ? error.details['code'] : 'INPUT_NOT_FOUND';
      const message = error.message.startsWith(`${code}: `) ? error.message.slice(code.length + 2) : error.message;
      found.issues.push({ pointer: `/inputs/${index}`, code, message, hint: error.hint });
    }
  }
  return tell(call, found);
}

interface Found {
  readonly issues: Issue[];
  readonly spec: ResolvedJobSpec | null;
  readonly inputs: { readonly pins: InputPins; readonly files: number; readonly bytes: number; readonly first: string }[];
}

function tell(call: CommandCall, { issues, spec, inputs }: Found): ExitCode {
  const { output } = call;
  const [first] = inputs;
  if (isSet(call.flags, 'print-schema') && first !== undefined && issues.length === 0) {
    output.raw(`${JSON.stringify(first.pins.schema, null, 2)}\n`);
    return exitCodes.done;
  }
  output.document({ valid: issues.length === 0, issues, spec, pins: inputs.map(({ pins }) => pins) });
  for (const issue of issues) for (const line of describeIssue(issue)) output.line(line);
  for (const { pins, files, bytes, first: uri } of inputs) {
    for (const line of describePins(pins, { count: files, bytes, first: baseName(uri) })) output.line(line);
    if (isSet(call.flags, 'evidence')) for (const evidence of pins.evidence) output.line(`    ${describeEvidence(evidence)}`);
  }
  return verdict(call, issues.length);
}
