/** Shapes that several resources share: ids, instants, pages, filters. */
import type { AttemptId, ChunkId, JobId } from '@millrace/protocol';
import { maxFilterLength, maxReasonLength } from '@millrace/protocol/browser';
import { z } from 'zod';

const idBody = '[0-9a-hjkmnp-tv-z]{26}';
/** Text of a pattern that has a type of its own. */
function branded<T extends string>(pattern: RegExp, what: string, id: string): z.ZodType<T, string> {
  return z
    .string()
    .regex(pattern, { error: `expected ${what}` })
    .meta({ id, description: what }) as unknown as z.ZodType<T, string>;
}

export const jobId = branded<JobId>(new RegExp(`^j${idBody}$`), 'a job id: j and 26 letters and digits', 'JobId');
export const attemptId = branded<AttemptId>(new RegExp(`^a${idBody}$`), 'an attempt id: a and 26 letters and digits', 'AttemptId');
export const chunkId = branded<ChunkId>(
  new RegExp(`^j${idBody}\\.[a-z][a-z0-9]{0,31}\\.(0|[1-9][0-9]{0,9})$`),
  'a chunk id: <jobId>.<stage>.<index>',
  'ChunkId',
);
export const deadLetterId = branded<string>(
  new RegExp(`^j${idBody}\\.[a-z][a-z0-9]{0,31}\\.(0|[1-9][0-9]{0,9})\\.[1-9][0-9]{0,5}$`),
  'a dead letter id: <chunkId>.<generation>',
  'DeadLetterId',
);
export const planId = branded<string>(new RegExp(`^p${idBody}$`), 'a plan id: p and 26 letters and digits', 'PlanId');
export const operationId = branded<string>(new RegExp(`^o${idBody}$`), 'an operation id: o and 26 letters and digits', 'OperationId');
export const fingerprint = z.string().regex(/^[0-9A-Za-z-]{1,64}$/);
export const stageName = z.string().regex(/^[a-z][a-z0-9]{0,31}$/);
/** Of a schedule, a tenant, a queue's pool. */
export const plainName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);

/** RFC 3339 in UTC. */
export const instant = z.iso.datetime().meta({ description: 'RFC 3339 in UTC' });
export const count = z.int().min(0);
export const bytes = z.int().min(0);
/** From 1. */
export const generationNumber = z.int().min(1);
export const reason = z.string().max(maxReasonLength);

/** A whole number written in a query or a path. */
export function numberText(least: number, most: number): z.ZodType<number, string | number> {
  const message = `expected a whole number from ${least} to ${most}`;
  return z
    .union([z.string().regex(/^(0|[1-9][0-9]{0,15})$/, { error: message }), z.number()], { error: message })
    .transform(Number)
    .pipe(z.int({ error: message }).min(least, { error: message }).max(most, { error: message }));
}

/** `true` or `false` written in a query. */
export const flagText = z.union([z.enum(['true', 'false']).transform((text) => text === 'true'), z.boolean()], { error: 'expected true or false' });

/** Asks for content of records: values, raw bytes, the last words of a core. */
export const contentQuery = { content: flagText.prefault(false) };

export const maxPageLimit = 200;

/** Of every list: how many, and from where. */
export const pageQuery = {
  limit: numberText(1, maxPageLimit).prefault(50),
  /** `nextCursor` of the page before. */
  cursor: z.string().min(1).max(2_048).optional(),
};

/** The filter of a list. */
export const filterQuery = { q: z.string().max(maxFilterLength).prefault('') };

/** A page of a list. `total` is exact or null. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ data: z.array(item), nextCursor: z.string().nullable(), total: count.nullable() });
}

/** A page of a list that can be filtered: `filter` is the filter as it was understood. */
export function filteredPageOf<T extends z.ZodType>(item: T) {
  return pageOf(item).extend({ filter: z.string() });
}

const fates = { recordsIn: count, emitted: count, filtered: count, deduplicated: count, rejected: count };

/** What became of the records of a chunk, file or job: `recordsIn = emitted + filtered + deduplicated + rejected`. */
export const balance = z
  .strictObject({
    ...fates,
    rowsOut: count,
    /** Records that a lenient option changed. */
    repaired: count,
    /** Inside tolerated dead letters. */
    unreadBytes: count,
  })
  .meta({ id: 'Balance' });
