/** How a job begins in the journal: the open marker, the resolved inputs, and the job itself, whose presence means that it is accepted. */
import { z } from 'zod';

import type { ResolvedJobSpec } from './job-spec-shape.ts';
import { count, digest, generationNumber, head, instant, stageName } from './record-shapes.ts';

/** *Look here*: a generation that has no manifest yet. Which one is the newest stands in commands and manifests. */
export const openMarkerShape = z.object({ ...head('open'), generation: generationNumber });
export type OpenMarker = z.output<typeof openMarkerShape>;

export const inputFileShape = z.object({
  file: count,
  input: count,
  uri: z.string().min(1),
  etag: z.string().min(1),
  size: count,
  /** What the sender says of it: planning holds the bytes against the digest, the finish the records against the count. */
  sha256: digest.nullish(),
  records: count.nullish(),
});
/** One input file, pinned to a version. `file` counts all files of the job from 0. */
export type InputFile = z.output<typeof inputFileShape>;

export const inputsRecordShape = z.object({ ...head('inputs'), segment: count, first: count, files: z.array(inputFileShape) });
export type InputsRecord = z.output<typeof inputsRecordShape>;

export const lookupFileShape = z.object({ stage: stageName, name: z.string(), uri: z.string().min(1), etag: z.string().min(1), size: count });
/** The file of a lookup. */
export type LookupFile = z.output<typeof lookupFileShape>;

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

export const jobRecordShape = z.object({
  ...head('job'),
  tenant: z.string().min(1),
  name: z.string().min(1),
  idempotencyKey: z.string().nullable(),
  acceptedAt: instant,
  resultVersion: z.int().min(1),
  specDigest: digest,
  /** Kept as it stands, whatever a newer version wrote into it: the digest is over these bytes. */
  spec: z.custom<ResolvedJobSpec>(isObject, { error: 'expected a resolved job spec' }),
  /** Name of the first map stage. */
  stage: stageName,
  /** All stages in running order; absent in a job that has the one map stage. */
  stages: z.array(z.object({ name: stageName, kind: z.enum(['map', 'reduce']) })).default([]),
  /** Small tables of stages, pinned to a version at intake. */
  lookups: z.array(lookupFileShape).default([]),
  inputs: z.array(z.object({ key: z.string(), digest, first: count, count })),
  inputFiles: count,
  inputBytes: count,
  /** Of a job whose producer sends its chunks; null: its inputs are files. */
  stream: z.object({ sealTimeLimitMs: count }).nullish(),
});
export type JobRecord = z.output<typeof jobRecordShape>;
export type JobStage = JobRecord['stages'][number];

export function jobStages({ stage, stages }: Pick<JobRecord, 'stage' | 'stages'>): readonly JobStage[] {
  return stages.length > 0 ? stages : [{ name: stage, kind: 'map' }];
}
