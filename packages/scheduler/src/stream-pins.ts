/** The pins of a stream: what its first chunks show. They stand before its first segment, which names them. */
import type { Stored } from '@millrace/journal';
import { type InputPins, inputPinsShape, type LookupPins, type Pins, partitionsOf, pinsWithoutFiles } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import type { Control } from './control.ts';
import type { JobSpecFacts } from './job-facts.ts';
import type { ObjectVersion, StreamPiece } from './stream-batch.ts';

const deadlineMs = 120_000;
const mostSamples = 5;

/** What is looked at: objects, or the bytes of one payload; null: nothing was sent. */
export type StreamSample = { readonly objects: readonly ObjectVersion[] } | { readonly bytes: Uint8Array } | null;

export function sampleOf(pieces: readonly StreamPiece[], objects: ReadonlyMap<string, ObjectVersion>): StreamSample {
  if (objects.size > 0) return { objects: [...objects.values()].slice(0, mostSamples) };
  const payloads = pieces.flatMap((piece) => ('bytes' in piece ? [piece.bytes] : []));
  // The largest shows most.
  const largest = payloads.reduce<Uint8Array | null>((found, bytes) => (found === null || bytes.length > found.length ? bytes : found), null);
  return largest === null ? null : { bytes: largest };
}

/** The pins that stand, or those that the sample gives. Throws `AppError` with the core's code for a sample that cannot be read. */
export async function pinStream({ job, spec }: JobSpecFacts, sample: StreamSample, control: Control): Promise<Stored<'pins'>> {
  const [input] = spec.inputs;
  if (input === undefined) throw new TypeError('a stream has one input');
  const declared = { ...input, schema: input.schema ?? spec.schema };
  const lookups: LookupPins[] = [];
  for (const file of job.lookups) {
    const lookup = spec.pipeline.find(({ name }) => name === file.stage)?.lookups.find(({ name }) => name === file.name);
    if (lookup === undefined) continue;
    const { name, format, schema, maxSize } = lookup;
    lookups.push({ ...file, maxBytes: maxSize, input: await probe({ objects: [file] }, { name, format, schema }, control) });
  }
  const pins = sample === null ? pinsWithoutFiles(input, spec) : await probe(sample, declared, control);
  const record: Pins = { record: 'pins', version: 1, jobId: job.jobId, rules: 1, inputs: [pins], partitions: partitionsOf(spec, null), lookups };
  return (await control.journal.putPins(record)).stored;
}

async function probe(
  sample: NonNullable<StreamSample>,
  declared: { readonly connection?: string | null; readonly [key: string]: unknown },
  control: Control,
): Promise<InputPins> {
  const objects = 'objects' in sample ? sample.objects : [{ uri: 'inline', etag: '', size: sample.bytes.length }];
  const input = objects.map(({ uri, etag, size }) => ({ uri, connection: declared.connection ?? null, etag, size }));
  const payload = 'bytes' in sample ? { payload: sample.bytes } : {};
  const answer = await control.core.request({ type: 'Probe', input, declared: JSON.stringify(declared) }, { deadlineMs, ...payload });
  if (answer.failed !== null) throw new AppError(answer.failed.code as 'INTERNAL', `cannot read the first chunks: ${answer.failed.message}`);
  return inputPinsShape.parse(JSON.parse(new TextDecoder().decode(answer.payload)));
}
