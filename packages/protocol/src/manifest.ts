/** The record that commits a generation: all receipts summed up, the balance, the gaps. Readers accept `completed` only. */
import { z } from 'zod';

import { terminalJobStates } from './job.ts';
import { balance, count, counts, digest, generationNumber, head, instant, part, stageName } from './record-shapes.ts';

const placed = part.extend({
  /** `<stage>.<chunk>` */
  chunk: z.string(),
});
export type ManifestPart = z.output<typeof placed>;

export const manifestFileShape = z.object({
  file: count,
  uri: z.string(),
  etag: z.string(),
  size: count,
  balance,
  lines: count,
  blankLines: count,
  commentLines: count,
});
export type ManifestFile = z.output<typeof manifestFileShape>;

export const gapShape = z.object({
  chunk: z.string(),
  file: count.nullable(),
  range: z.object({ start: count, end: count }).nullable(),
  code: z.string(),
  /** `budget`, or who waived it. */
  acceptedBy: z.string(),
  /** Why it was waived. */
  reason: z.string().optional(),
});
/** Work that is missing from the output and was accepted as missing. */
export type Gap = z.output<typeof gapShape>;

export const manifestStageShape = z.object({
  name: stageName,
  kind: z.enum(['map', 'reduce']),
  chunks: z.object({ total: count, committed: count, dead: count }),
  /** Of records in a map stage, of rows in a reduce stage. */
  balance,
});
export type ManifestStage = z.output<typeof manifestStageShape>;

/** The budget that ended a generation, and some of what was counted against it: places and codes, never what stood there. */
export const failureEvidenceShape = z.object({
  budget: z.string(),
  subject: z.string().nullable(),
  value: count,
  of: count.nullable(),
  limit: z.number().min(0),
  codes: counts,
  /** At most ten. */
  samples: z.array(
    z.union([
      z.object({ rejectId: z.string(), file: z.string(), record: count, line: count.nullable(), column: z.string().nullable(), code: z.string() }),
      z.object({ deadLetterId: z.string(), code: z.string(), message: z.string() }),
    ]),
  ),
});
export type FailureEvidence = z.output<typeof failureEvidenceShape>;

/** What became of the rejects that one generation replayed. The sums of the job hold each of these records once, with this fate. */
export const manifestReplayShape = z.object({
  generation: generationNumber,
  correction: z.string(),
  /** Rejects that were taken up; `unread` of them lie in chunks that are dead or open, and are rejects as before. */
  records: count,
  emitted: count,
  filtered: count,
  rejected: count,
  unread: count,
});
export type ManifestReplay = z.output<typeof manifestReplayShape>;

export const manifestShape = z.object({
  ...head('manifest'),
  name: z.string(),
  generation: generationNumber,
  state: z.enum(terminalJobStates),
  specDigest: digest,
  /** Null when the generation ended before it was pinned. */
  pinsDigest: digest.nullable(),
  resultVersion: z.int().min(1),
  failure: z.object({ code: z.string(), message: z.string(), evidence: failureEvidenceShape.optional() }).nullable(),
  acceptedAt: instant,
  endedAt: instant,
  durationMs: count,
  outputUri: z.string(),
  rejectsUri: z.string(),
  balance,
  byCode: counts,
  byColumn: z.record(z.string(), counts),
  /** In running order. */
  stages: z.array(manifestStageShape).optional(),
  chunks: z.object({ total: count, committed: count, dead: count, open: count }),
  bytes: z.object({ in: count, out: count }),
  files: z.array(manifestFileShape),
  parts: z.array(placed),
  rejects: z.array(placed),
  gaps: z.array(gapShape),
  /** By generation; left out when nothing was replayed. */
  replays: z.array(manifestReplayShape).optional(),
});
export type Manifest = z.output<typeof manifestShape>;
