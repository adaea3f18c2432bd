/** The verdict: one record per chunk and generation, filled once by put-if-absent. Whoever fills it first has decided. */
import { z } from 'zod';

import { attemptIdShape, count, counts, digest, fates, generationNumber, head, part, stageName } from './record-shapes.ts';

const place = { stage: stageName, chunk: count, generation: generationNumber };

export const exchangeShape = z.object({
  object: z.string(),
  bytes: count,
  runs: z.array(z.object({ partition: count, offset: count, length: count, rows: count, xxh3: z.string() })),
});
export type Exchange = z.output<typeof exchangeShape>;

export const receiptShape = z.object({
  ...head('verdict'),
  outcome: z.literal('committed'),
  ...place,
  attemptId: attemptIdShape,
  specDigest: digest,
  segmentDigest: digest,
  resultVersion: z.int().min(1),
  coreVersion: z.string(),
  counts: z.object({
    ...fates,
    rowsOut: count,
    repaired: count,
    bytesIn: count,
    blankLines: count,
    commentLines: count,
    suspectRecords: count,
    damagedBytes: count,
    damagedLines: count,
  }),
  byCode: counts,
  byColumn: z.record(z.string(), counts),
  repairs: counts,
  files: z.array(z.object({ file: count.nullable(), key: z.string().nullable().default(null), ...fates })),
  /** Files of a group that could not be read any more; none of their records is counted. */
  unread: z.array(z.object({ file: count, code: z.string(), message: z.string() })).optional(),
  parts: z.array(part),
  rejects: z.array(part),
  /** Rows handed on to a reduce stage, in place of parts: one object, with runs of rows of one partition each. */
  exchange: exchangeShape.nullish(),
  /** Of a reduce chunk: the digest of the list of slices it read. */
  inputsDigest: digest.nullish(),
});
/** What a committed chunk yielded, written by the core. */
export type Receipt = z.output<typeof receiptShape>;

export const deadVerdictShape = z.object({ ...head('verdict'), outcome: z.literal('dead'), ...place, deadLetter: z.string(), code: z.string() });
export type DeadVerdict = z.output<typeof deadVerdictShape>;

/** Closed by the command with this number: the chunk may enter the next generation. */
export const closedVerdictShape = z.object({ ...head('verdict'), outcome: z.literal('closed'), ...place, command: count });
export type ClosedVerdict = z.output<typeof closedVerdictShape>;

export const verdictShape = z.discriminatedUnion('outcome', [receiptShape, deadVerdictShape, closedVerdictShape]);
export type Verdict = z.output<typeof verdictShape>;
