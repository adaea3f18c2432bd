/** Error groups: failures of one cause over all jobs, and what people decide about them. */
import { failureClasses, groupStates } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import {
  attemptId,
  chunkId,
  contentQuery,
  count,
  filteredPageOf,
  filterQuery,
  fingerprint,
  generationNumber,
  instant,
  jobId,
  pageOf,
  pageQuery,
  reason,
} from '../shapes.ts';
import { attemptShape } from './chunks.ts';

const until = z.strictObject({ at: instant.nullable(), failures: count.nullable() });

export const errorGroupShape = z
  .strictObject({
    fingerprint,
    state: z.enum(groupStates),
    code: z.string(),
    class: z.enum(failureClasses),
    /** Of the newest failure. */
    message: z.string(),
    /** What to do about this code. */
    hint: z.string(),
    /** Attempts that failed so. */
    failures: count,
    /** Dead letters that are open. */
    dead: count,
    firstSeenAt: instant,
    lastSeenAt: instant,
    /** Attempts that failed so by hour, which begins then; oldest first, the newest 48 hours that have some. */
    activity: z.array(z.strictObject({ at: instant, failures: count })).max(48),
    /** Those with most failures first, at most 20. */
    jobs: z.array(z.strictObject({ jobId, name: z.string(), failures: count, dead: count })),
    /** Who looks after it; null: nobody. */
    owner: z.string().nullable(),
    notes: count,
    /** What a change must name in `If-Match`, in quotes; 0: nobody has decided anything. */
    version: count,
  })
  .meta({ id: 'ErrorGroup' });
export type ErrorGroupRow = z.output<typeof errorGroupShape>;

const spread = z.array(z.strictObject({ name: z.string(), dead: count }));

export const errorGroupDetailShape = errorGroupShape
  .omit({ notes: true })
  .extend({
    /** Newest places, newest first, at most 20. */
    places: z.array(z.strictObject({ uri: z.string(), start: count, end: count })),
    /** What people decided; null: nothing. */
    triage: z
      .strictObject({ state: z.enum(['open', 'resolved', 'ignored']), at: instant, by: z.string(), until: until.nullable(), note: z.string() })
      .nullable(),
    notes: z.array(z.strictObject({ at: instant, by: z.string(), text: z.string() })),
    /** What failures of this group have in common, by the rule that made its fingerprint. */
    groupedBy: z.array(z.string()),
    /** How its open dead letters are spread, the largest 20 of each. `counted`: over so many of them. */
    spread: z.strictObject({ counted: count, workers: spread, coreVersions: spread, files: spread, stages: spread }),
  })
  .meta({ id: 'ErrorGroupDetail' });
export type ErrorGroupDetail = z.output<typeof errorGroupDetailShape>;

export const errorSampleShape = z
  .strictObject({
    jobId,
    chunkId,
    generation: generationNumber,
    attemptId,
    attempt: attemptShape,
  })
  .meta({ id: 'ErrorSample' });

const params = z.strictObject({ fingerprint });
const changes = {
  method: 'POST',
  role: 'operator',
  params,
  answers: { 200: errorGroupDetailShape },
  errors: ['NOT_FOUND', 'ETAG_MISMATCH', 'REBUILDING'],
  ifMatch: true,
  etag: true,
} as const;
const note = { note: reason.prefault('') };

export const errorRoutes = [
  defineRoute({
    method: 'GET',
    path: '/errors',
    operationId: 'listErrorGroups',
    summary: 'Error groups, the one seen last first',
    role: 'viewer',
    query: z.strictObject({ ...filterQuery, ...pageQuery }),
    answers: { 200: filteredPageOf(errorGroupShape) },
    errors: ['FILTER_INVALID', 'CURSOR_INVALID', 'REBUILDING'],
  }),
  defineRoute({
    method: 'GET',
    path: '/errors/{fingerprint}',
    operationId: 'readErrorGroup',
    summary: 'One error group with its spread, what people decided, and why it is a group',
    role: 'viewer',
    params,
    answers: { 200: errorGroupDetailShape },
    errors: ['NOT_FOUND', 'REBUILDING'],
    etag: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/errors/{fingerprint}/samples',
    operationId: 'listErrorSamples',
    summary: 'The newest failed attempts of an error group with their full records',
    role: 'viewer',
    params,
    query: z.strictObject({ ...pageQuery, ...contentQuery }),
    answers: { 200: pageOf(errorSampleShape) },
    errors: ['NOT_FOUND', 'CURSOR_INVALID', 'REBUILDING'],
    content: 'attempt.show',
  }),
  defineRoute({
    ...changes,
    path: '/errors/{fingerprint}/resolve',
    operationId: 'resolveErrorGroup',
    summary: 'Says that the cause is cured: seen again, the group has regressed',
    body: z.strictObject(note),
    bodyOptional: true,
    act: 'errors.resolve',
  }),
  defineRoute({
    ...changes,
    path: '/errors/{fingerprint}/ignore',
    operationId: 'ignoreErrorGroup',
    summary: 'Takes a group off the list of open ones, until an instant, until so many failures, or for good',
    body: z.strictObject({ ...note, until: until.nullable().prefault(null) }),
    bodyOptional: true,
    act: 'errors.ignore',
  }),
  defineRoute({
    ...changes,
    path: '/errors/{fingerprint}/reopen',
    operationId: 'reopenErrorGroup',
    summary: 'Takes back a resolution or an ignoring',
    body: z.strictObject(note),
    bodyOptional: true,
    act: 'errors.reopen',
  }),
  defineRoute({
    ...changes,
    path: '/errors/{fingerprint}/assign',
    operationId: 'assignErrorGroup',
    summary: 'Says who looks after a group; null: nobody',
    body: z.strictObject({ owner: z.string().min(1).max(255).nullable() }),
    act: 'errors.assign',
  }),
  defineRoute({
    ...changes,
    path: '/errors/{fingerprint}/note',
    operationId: 'noteErrorGroup',
    summary: 'Adds a note, at most 100 to a group',
    body: z.strictObject({ text: reason.min(1) }),
    act: 'errors.note',
  }),
] as const;
