/** How the inputs of a checked spec would be read: probed as planning does, through the API's own core. Nothing is kept. */
import type { ProblemIssue, Sent, SpecCheck } from '@millrace/api-contract';
import { type AnswerTo, type FoundFile, type InputPins, inputPinsShape, pinsWithoutFiles, type ResolvedJobSpec } from '@millrace/protocol';
import type { Failed } from '@millrace/protocol/wire';
import type { Api } from '../api.ts';
import { foreseen } from './preview-spec.ts';

const deadlineMs = 60_000;

/** What the scheduler found where a submit would look. */
export type Found = Pick<Extract<AnswerTo<'check'>, { ok: true }>, 'inputs'> & { readonly spec: ResolvedJobSpec };

/** Pins by the number of their input; null: an issue says why there are none. */
export interface Probed {
  readonly pins: readonly (InputPins | null)[];
  readonly issues: readonly ProblemIssue[];
}

/** Throws what a store says that is away, and the signal's reason when it is raised. */
export async function probeInputs({ spec, inputs }: Found, signal: AbortSignal, api: Pick<Api, 'core'>): Promise<Probed> {
  const pins: (InputPins | null)[] = [];
  const issues: ProblemIssue[] = [];
  for (const [index, input] of spec.inputs.entries()) {
    const found = inputs[index] ?? null;
    if (found === null || found.samples.length === 0) {
      pins.push(found === null ? null : pinsWithoutFiles(input, spec));
      continue;
    }
    // The first file stands for the input where each has pins of its own: all have its schema.
    const samples = input.pin === 'file' ? found.samples.slice(0, 1) : found.samples;
    const answer = await probe(samples, { ...input, schema: input.schema ?? spec.schema }, signal, api);
    if ('code' in answer) issues.push({ pointer: `/spec/inputs/${index}`, code: answer.code, message: answer.message });
    pins.push('code' in answer ? null : answer);
  }
  return { pins, issues };
}

async function probe(
  samples: readonly FoundFile[],
  declared: { readonly connection: string | null; readonly [key: string]: unknown },
  signal: AbortSignal,
  api: Pick<Api, 'core'>,
): Promise<InputPins | Failed> {
  const input = samples.map((file) => ({ ...file, connection: declared.connection }));
  const answer = await api.core.request({ type: 'Probe', input, declared: JSON.stringify(declared) }, { deadlineMs, signal });
  if (answer.failed === null) return inputPinsShape.parse(JSON.parse(new TextDecoder().decode(answer.payload)));
  return foreseen(answer.failed);
}

type CheckedPins = NonNullable<SpecCheck['pins']>[number];

export function pinsOf({ name, format, compression, encoding, dialect, columns, schema, inferred, evidence, notes }: InputPins): Sent<CheckedPins> {
  const fields = schema.fields.map((field) => ({ name: field.name, type: field.type, format: field.format, inferred: inferred.includes(field.name) }));
  return { input: name, format, compression, encoding, dialect, header: columns, columns: fields, evidence, notes };
}
