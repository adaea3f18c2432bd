/**
 * A set of rejects to be replayed, as they were or corrected by a person: the bytes lie in `inline/`, each part becomes one chunk of the next generation.
 * Put before the command that names it; without one it is nothing but kept.
 */
import { z } from 'zod';
import { inlineChunkShape, originShape } from './plan-segment.ts';
import { count, counts, head, instant, stageName } from './record-shapes.ts';

/** Rejects and bytes of one part: it must fit into a frame as a payload, and into a record as a plan segment. */
export const maxCorrectionRecords = 2_000;
export const maxCorrectionBytes = 4 * 1024 * 1024;

const correctionId = z.string().regex(/^c[0-9a-hjkmnp-tv-z]{26}$/);

export const correctionPartShape = z.object({
  ...head('correctionPart'),
  correctionId,
  part: count,
  stage: stageName,
  ...inlineChunkShape.pick({ key: true, offset: true, length: true, sha256: true }).shape,
  /** By file and record; `key` is the id of the reject. */
  payloads: z.array(z.object({ key: z.string(), offset: count, length: count, origin: originShape })).min(1),
});
export type CorrectionPart = z.output<typeof correctionPartShape>;

export const correctionShape = z.object({
  ...head('correction'),
  correctionId,
  at: instant,
  by: z.string(),
  parts: count.min(1),
  records: count,
  /** Records whose bytes are as they were read. */
  unchanged: count,
  /** Changed cells by column. */
  changedCells: counts,
  /** Main codes of the rejects. */
  byCode: counts,
});
export type CorrectionSet = z.output<typeof correctionShape>;
