/** Shapes that several records share. Numbers are exact integers; instants are RFC 3339 in UTC; digests are SHA-256 in lower-case hex. */
import { z } from 'zod';

import { type AttemptId, isAttemptId, isJobId, type JobId } from './ids.ts';

const named = <Text extends string>(what: string, test: (text: string) => boolean) =>
  z.custom<Text>((value) => typeof value === 'string' && test(value), { error: `expected ${what}` });

export const jobIdShape = named<JobId>('a job id', isJobId);
export const attemptIdShape = named<AttemptId>('an attempt id', isAttemptId);
export const count = z.int().min(0);
export const generationNumber = z.int().min(1).max(999_999);
export const digest = z.string().regex(/^[0-9a-f]{64}$/);
export const instant = z.iso.datetime();
export const counts = z.record(z.string(), count);
export const stageName = z.string().regex(/^[a-z][a-z0-9]{0,31}$/);

export const head = <Kind extends string>(kind: Kind) => ({ record: z.literal(kind), version: z.literal(1), jobId: jobIdShape });

/** A part of the output, or a file of rejects. */
export const part = z.object({
  uri: z.string(),
  rows: count,
  bytes: count,
  sha256: digest,
  /** Its folder below the output, under `partitionBy`. */
  partition: z.string().optional(),
  /** The input file whose rows it holds, under `layout: perInput`. */
  file: count.optional(),
});
export type Part = z.output<typeof part>;

export const fates = { recordsIn: count, emitted: count, filtered: count, deduplicated: count, rejected: count };

export const balance = z.object({ ...fates, rowsOut: count, repaired: count, unreadBytes: count });

/** Where the bytes of a chunk lie: a range of a pinned version. Of inline chunks `uri` is the key of their payloads. */
export const chunkRange = z.object({ uri: z.string(), etag: z.string().nullable(), start: count, end: count });
export type ChunkRange = z.output<typeof chunkRange>;
