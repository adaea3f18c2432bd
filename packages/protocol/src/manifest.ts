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

/** The lists of a manifest that grow with the job: they stand in the manifest, or all of them in pages of it. */
export const manifestLists = ['files', 'parts', 'rejects', 'gaps'] as const;
export type ManifestList = (typeof manifestLists)[number];

const pageOf = <List extends ManifestList, Entry extends z.ZodType>(list: List, entry: Entry) =>
  z.object({ ...head('manifestPage'), generation: generationNumber, list: z.literal(list), first: count, entries: z.array(entry) });

/** A page of one list, put before the manifest that names it. `first`: place in the list, from 0, of its first entry. */
export const manifestPageShape = z.discriminatedUnion('list', [
  pageOf('files', manifestFileShape),
  pageOf('parts', placed),
  pageOf('rejects', placed),
  pageOf('gaps', gapShape),
]);
export type ManifestPage = z.output<typeof manifestPageShape>;
export interface ManifestEntries {
  readonly files: ManifestFile;
  readonly parts: ManifestPart;
  readonly rejects: ManifestPart;
  readonly gaps: Gap;
}

export const manifestPageRefShape = z.object({
  list: z.enum(manifestLists),
  /** Below the folder that is called as the manifest without `.json`. It has the beginning of the digest: no page is ever replaced by another. */
  name: z.string().regex(/^[a-z]+-\d{6,}-[0-9a-f]{16}\.json$/),
  first: count,
  count: z.int().min(1),
  digest,
});
export type ManifestPageRef = z.output<typeof manifestPageRefShape>;

/** The name of page `number` (from 0) of a list, whose bytes have this SHA-256. */
export const manifestPageName = (list: ManifestList, number: number, sha256: string): string =>
  `${list}-${String(number).padStart(6, '0')}-${sha256.slice(0, 16)}.json`;

/** How many entries a list has, wherever they stand. */
export function manifestCount<List extends ManifestList>(manifest: Pick<Manifest, List | 'pages'>, list: List): number {
  const inline: readonly unknown[] = manifest[list];
  return (manifest.pages ?? []).reduce((sum, page) => (page.list === list ? sum + page.count : sum), inline.length);
}

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
  /** Where the four lists above do not fit: pages of each in order, and the lists are empty. */
  pages: z.array(manifestPageRefShape).optional(),
  /** By generation; left out when nothing was replayed. */
  replays: z.array(manifestReplayShape).optional(),
});
export type Manifest = z.output<typeof manifestShape>;
