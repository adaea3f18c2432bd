/** Dead letters: the inbox of work that used up its attempts or that retrying cannot cure. */
import { failureClasses } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import {
  bytes,
  chunkId,
  contentQuery,
  count,
  deadLetterId,
  filteredPageOf,
  filterQuery,
  generationNumber,
  instant,
  jobId,
  pageQuery,
  stageName,
} from '../shapes.ts';
import { attemptShape } from './chunks.ts';

const head = {
  deadLetterId,
  jobId,
  jobName: z.string(),
  /** Of stage `plan` a file that cannot be planned. */
  chunkId,
  stage: stageName,
  index: count,
  generation: generationNumber,
  code: z.string(),
  class: z.enum(failureClasses),
  message: z.string(),
  fingerprint: z.string().nullable(),
  diedAt: instant,
  bytes,
  uri: z.string().nullable(),
  start: count.nullable(),
  end: count.nullable(),
};

export const deadLetterShape = z.strictObject({ ...head, attempts: count }).meta({ id: 'DeadLetter' });
export type DeadLetterRow = z.output<typeof deadLetterShape>;

/**
 * `waived`: somebody has accepted that its work is missing. `resolved`: its chunk committed in a later generation. `redriven`: a later generation has taken it up and has no outcome yet, or another dead letter.
 */
export const deadLetterStates = ['open', 'redriven', 'resolved', 'waived'] as const;

export const deadLetterDetailShape = z
  .strictObject({
    ...head,
    /** What to do about its code. */
    hint: z.string(),
    state: z.enum(deadLetterStates),
    /** Why no further attempt was made. */
    reason: z.string(),
    redrivable: z.boolean(),
    /** Why a redrive cannot take it; null: it can. Whether its input is still what it was is seen when a redrive is planned. */
    notRedrivable: z.string().nullable(),
    /** Who accepted that its work is missing; null: nobody. */
    waiver: z.strictObject({ by: z.string(), at: instant, reason: z.string(), generation: generationNumber }).nullable(),
    /** Newest first, at most 50; `/attempts` of its chunk has all. */
    attempts: z.array(attemptShape),
  })
  .meta({ id: 'DeadLetterDetail' });
export type DeadLetterDetail = z.output<typeof deadLetterDetailShape>;

export const deadLetterRoutes = [
  defineRoute({
    method: 'GET',
    path: '/dead-letters',
    operationId: 'listDeadLetters',
    summary: 'Dead letters that are open, in the order of jobs, stages and chunks',
    role: 'viewer',
    query: z.strictObject({ ...filterQuery, ...pageQuery }),
    answers: { 200: filteredPageOf(deadLetterShape) },
    errors: ['FILTER_INVALID', 'CURSOR_INVALID', 'REBUILDING'],
  }),
  defineRoute({
    method: 'GET',
    path: '/dead-letters/{deadLetterId}',
    operationId: 'readDeadLetter',
    summary: 'One dead letter with its attempts, and whether it can be redriven',
    role: 'viewer',
    params: z.strictObject({ deadLetterId }),
    query: z.strictObject(contentQuery),
    answers: { 200: deadLetterDetailShape },
    errors: ['NOT_FOUND', 'GONE'],
    content: 'deadLetter.show',
  }),
] as const;
