/** A checked spec tried on what its inputs hold: its queries compiled over the pins, and the first records of each input read. Nothing is kept. */
import { type ProblemIssue, type Sent, type SpecCheck, sampledRecords, sampledRows, sampledValue } from '@millrace/api-contract';
import { canonicalJson, type InputPins, inputPinsShape, type LookupFile, type LookupPins, partitionsOf } from '@millrace/protocol';
import type { Failed } from '@millrace/protocol/wire';
import { AppError } from '@millrace/service-kit';
import { z } from 'zod';
import type { Api } from '../api.ts';
import type { Found } from './probe-inputs.ts';

const deadlineMs = 60_000;

export type SpecSample = SpecCheck['samples'][number];

/** A job that would be: its spec, what stands at its inputs and lookups, and how that is read. */
export interface Planned extends Found {
  readonly lookups: readonly LookupFile[] | null;
  readonly pins: readonly (InputPins | null)[];
}

const sampleAnswer = z.object({
  records: z.int(),
  rejected: z.int(),
  rows: z.array(z.array(z.string().nullable())),
  rejects: z.array(
    z.object({
      record: z.int(),
      line: z.int().nullable(),
      column: z.string().nullable(),
      code: z.string(),
      message: z.string(),
      expected: z.string().nullable(),
      value: z.string().nullable(),
    }),
  ),
});

/** Null: the queries hold over what the inputs hold; or what does not. Names and types of columns are known only here. */
export async function checkQueries(planned: Planned, signal: AbortSignal, api: Pick<Api, 'core' | 'clock'>): Promise<ProblemIssue | null> {
  const { spec, pins } = planned;
  // Keyed functions need a secret that this server does not hold: their queries are compiled by planning.
  if (spec.privacy !== null || planned.lookups === null || pins.includes(null)) return null;
  const lookups = await pinLookups(planned, signal, api);
  if ('code' in lookups) return { pointer: '/spec/pipeline', code: lookups.code, message: lookups.message };
  const answer = await preview(planned, lookups, null, signal, api);
  return 'code' in answer ? { pointer: '/spec/pipeline', code: answer.code, message: answer.message } : null;
}

/** The first records of an input, or why they cannot be read. Values only with `content`. */
export async function sampleInput(
  index: number,
  planned: Planned,
  content: boolean,
  signal: AbortSignal,
  api: Pick<Api, 'core' | 'clock'>,
): Promise<Sent<SpecSample> | ProblemIssue | null> {
  const [pins, file] = [planned.pins[index] ?? null, planned.inputs[index]?.samples[0]];
  if (pins === null || file === undefined) return null;
  const input = { ...file, connection: planned.spec.inputs[index]?.connection ?? null };
  const answer = await preview(planned, [], { input, index }, signal, api);
  if ('code' in answer) return { pointer: `/spec/inputs/${index}`, code: answer.code, message: answer.message };
  const { records, rejected, rows, rejects } = sampleAnswer.parse(answer.found);
  return {
    input: pins.name,
    file: file.uri,
    records,
    rejected,
    columns: pins.schema.fields.map(({ name, type }) => ({ name, type })),
    rows: content ? rows : null,
    // Messages are made of what was expected; the value that was met is content.
    rejects: rejects.map((reject) => (content ? reject : { ...reject, value: null })),
  };
}

interface Sampled {
  readonly input: { readonly uri: string; readonly connection: string | null; readonly etag: string; readonly size: number };
  readonly index: number;
}

async function preview(
  { spec, pins, inputs }: Planned,
  lookups: readonly LookupPins[],
  sampled: Sampled | null,
  signal: AbortSignal,
  api: Pick<Api, 'core' | 'clock'>,
): Promise<{ readonly found: unknown } | Failed> {
  const bytes = new Map(spec.inputs.map(({ name }, index) => [name, inputs[index]?.bytes ?? 0]));
  // Pins that are missing are never looked at: a sample is of an input that has some, and queries are compiled only over all of them.
  const known = pins.map((one) => one ?? pins.find((other) => other !== null)).filter((one) => one !== undefined && one !== null);
  const record = { record: 'pins', inputs: known, lookups, partitions: partitionsOf(spec, bytes) };
  const shown = sampled === null ? {} : { input: sampled.index, records: sampledRecords, shown: sampledRows, valueCharacters: sampledValue };
  const asked = JSON.stringify({ spec: JSON.parse(canonicalJson(spec)), pins: record, acceptedAt: api.clock.nowIso(), ...shown });
  const none = { connection: null, jobKey: null, start: null, end: null, record: null, parts: null };
  const answer = await api.core.request({ type: 'Inspect', what: 'preview', ...none, input: sampled?.input ?? null, spec: asked }, { deadlineMs, signal });
  if (answer.failed === null) return { found: JSON.parse(new TextDecoder().decode(answer.payload)) };
  return foreseen(answer.failed);
}

/** What cannot be read is for whoever wrote the spec; a store that is away, or a core that fails, is not. */
export function foreseen(failed: Failed): Failed {
  if (failed.class === 'transient' || failed.class === 'crash' || failed.class === 'bug') throw new AppError(failed.code as 'INTERNAL', failed.message);
  return failed;
}

async function pinLookups({ spec, lookups }: Planned, signal: AbortSignal, api: Pick<Api, 'core'>): Promise<LookupPins[] | Failed> {
  const pinned: LookupPins[] = [];
  for (const { stage, name, uri, etag, size } of lookups ?? []) {
    const declared = spec.pipeline.find((one) => one.name === stage)?.lookups.find((one) => one.name === name);
    if (declared === undefined) continue;
    const { format, schema, maxSize } = declared;
    const request = { type: 'Probe', input: [{ uri, etag, size, connection: null }], declared: JSON.stringify({ name, format, schema }) } as const;
    const answer = await api.core.request(request, { deadlineMs, signal });
    if (answer.failed !== null) return foreseen(answer.failed);
    pinned.push({ stage, name, uri, etag, size, maxBytes: maxSize, input: inputPinsShape.parse(JSON.parse(new TextDecoder().decode(answer.payload))) });
  }
  return pinned;
}
