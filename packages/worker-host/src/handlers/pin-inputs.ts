/** The pins of a job: every input probed once, how many partitions each reduce stage has, and the small tables of stages. */
import type { Stored } from '@millrace/journal';
import {
  type FilePins,
  type InputFile,
  type InputPins,
  inputPinsShape,
  type LookupPins,
  type Pins,
  partitionsOf,
  pinsWithoutFiles,
  spreadSamples,
} from '@millrace/protocol';
import type { WorkEnd } from '../execute-work.ts';
import { askCore, type PlanJob } from './plan-job.ts';

const PROBE_DEADLINE_MS = 120_000;

type Sample = Pick<InputFile, 'uri' | 'etag' | 'size'>;

/** The pins that stand, or those that a probe of some files gives. Whoever puts them first has decided. */
export async function pinInputs(plan: PlanJob): Promise<Stored<'pins'> | WorkEnd> {
  const { job, spec, files, host } = plan;
  const standing = await host.journal.readPins(job.jobId);
  if (standing !== null) return standing;
  const inputs: InputPins[] = [];
  const own: FilePins[] = [];
  for (const [index, input] of spec.inputs.entries()) {
    const samples = files.filter((file) => file.input === index);
    const declared = { ...input, schema: input.schema ?? spec.schema };
    // The first file stands for the input where each has pins of its own: all have its schema.
    const asked = input.pin === 'file' ? samples.slice(0, 1) : samples;
    const pins = samples.length === 0 ? pinsWithoutFiles(input, spec) : await probe(plan, asked, declared);
    if ('outcome' in pins) return pins;
    inputs.push(pins);
    if (input.pin === 'job') continue;
    const each = await probeFiles(plan, samples, declared, pins);
    if ('outcome' in each) return each;
    own.push(...each);
  }
  const lookups = await pinLookups(plan);
  if ('outcome' in lookups) return lookups;
  const record: Pins = {
    record: 'pins',
    version: 1,
    jobId: job.jobId,
    rules: 1,
    inputs,
    ...(own.length > 0 && { files: own }),
    partitions: partitionsOf(spec, bytesOfInputs(plan)),
    lookups,
  };
  return (await host.journal.putPins(record)).stored;
}

async function probe(
  plan: PlanJob,
  files: readonly Sample[],
  declared: { readonly connection?: string | null; readonly [key: string]: unknown },
): Promise<InputPins | WorkEnd> {
  const input = spreadSamples(files).map(({ uri, etag, size }) => ({ uri, connection: declared.connection ?? null, etag, size }));
  const message = { type: 'Probe', input, declared: JSON.stringify(declared) } as const;
  const probed = await askCore(plan, (core, options) => core.request(message, { ...options, deadlineMs: PROBE_DEADLINE_MS }));
  return 'outcome' in probed ? probed : inputPinsShape.parse(JSON.parse(new TextDecoder().decode(probed.payload)));
}

/** One after the other: what the first answered is known. */
async function probeFiles(plan: PlanJob, files: readonly InputFile[], declared: Parameters<typeof probe>[2], first: InputPins): Promise<FilePins[] | WorkEnd> {
  const found: FilePins[] = [];
  for (const [at, file] of files.entries()) {
    const pins = at === 0 ? first : await probe(plan, [file], declared);
    if ('outcome' in pins) return pins;
    const { format, compression, encoding, dialect, columns, lines } = pins;
    found.push({ file: file.file, input: file.input, format, compression, encoding, dialect, columns, lines });
  }
  return found;
}

function bytesOfInputs({ spec, files }: PlanJob): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { input, size } of files) {
    const name = spec.inputs[input]?.name ?? '';
    sums.set(name, (sums.get(name) ?? 0) + size);
  }
  return sums;
}

async function pinLookups(plan: PlanJob): Promise<LookupPins[] | WorkEnd> {
  const pinned: LookupPins[] = [];
  for (const file of plan.job.lookups) {
    const declared = plan.spec.pipeline.find(({ name }) => name === file.stage)?.lookups.find(({ name }) => name === file.name);
    if (declared === undefined) continue;
    const { name, format, schema, maxSize } = declared;
    const input = await probe(plan, [file], { name, format, schema });
    if ('outcome' in input) return input;
    pinned.push({ ...file, maxBytes: maxSize, input });
  }
  return pinned;
}
