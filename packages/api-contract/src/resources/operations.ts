/** Operations: what carries out a plan, a piece at a time, and how people steer it. */
import { operationStates } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { count, filteredPageOf, filterQuery, instant, jobId, operationId, pageOf, pageQuery, plainName, planId, reason } from '../shapes.ts';

/** `total` items have each an outcome when the operation has ended; `released` may run. */
export const itemCountsShape = z.strictObject({ total: count, released: count, resolved: count, failedAgain: count, skipped: count });
const why = z.strictObject({ code: z.string(), message: z.string() });

export const operationShape = z
  .strictObject({
    operationId,
    planId,
    tenant: plainName,
    /** What it does with its items. */
    does: z.enum(['redrive', 'replay', 'waive']),
    state: z.enum(operationStates),
    /** Why it stands still, or ended otherwise than asked; null while it runs. */
    why: why.nullable(),
    /** Items a second; null: no limit. */
    rate: z.number().positive().nullable(),
    canary: z.strictObject({ count: z.int().min(1), minResolved: z.number().min(0).max(1) }).nullable(),
    canaryPassed: z.boolean(),
    filter: z.string().nullable(),
    overrides: z.record(z.string(), z.unknown()),
    reason: z.string(),
    by: z.string(),
    startedAt: instant,
    endedAt: instant.nullable(),
    counts: itemCountsShape,
    jobs: z.array(
      z.strictObject({
        jobId,
        name: z.string(),
        state: z.string(),
        generation: z.int().min(1),
        items: count,
        counts: itemCountsShape,
        /** Why this job was not taken, or waits. */
        why: why.nullable(),
      }),
    ),
    /** Raised by each change: what `If-None-Match` and a page compare. */
    version: z.int().min(1),
  })
  .meta({ id: 'Operation' });
export type OperationView = z.output<typeof operationShape>;

export const operationItemOutcomes = ['pending', 'resolved', 'failedAgain', 'skipped'] as const;
export const operationItemShape = z.strictObject({
  id: z.string(),
  jobId,
  outcome: z.enum(operationItemOutcomes),
  /** Why it was skipped or failed again, where that is known. */
  why: why.nullable(),
});

const params = z.strictObject({ operationId });

export const operationRoutes = [
  defineRoute({
    method: 'GET',
    path: '/operations',
    operationId: 'listOperations',
    summary: 'Operations, newest first; filter fields are id, state, job, name, code, created and age',
    role: 'viewer',
    query: z.strictObject({ ...filterQuery, ...pageQuery }),
    answers: { 200: filteredPageOf(operationShape) },
    errors: ['FILTER_INVALID', 'CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'GET',
    path: '/operations/{operationId}',
    operationId: 'readOperation',
    summary: 'One operation with its counts',
    role: 'viewer',
    params,
    answers: { 200: operationShape },
    errors: ['NOT_FOUND'],
    etag: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/operations/{operationId}/items',
    operationId: 'listOperationItems',
    summary: 'Items with what became of each; with an outcome, those alone: what was not done, and why',
    role: 'viewer',
    params,
    query: z.strictObject({ outcome: z.enum(operationItemOutcomes).optional(), ...pageQuery }),
    answers: { 200: pageOf(operationItemShape) },
    errors: ['NOT_FOUND', 'CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'PATCH',
    path: '/operations/{operationId}',
    operationId: 'steerOperation',
    summary: 'Pauses, goes on, aborts, or sets the pace; what was requeued stays so',
    role: 'operator',
    params,
    body: z
      .strictObject({
        state: z.enum(['paused', 'running', 'aborted']).optional(),
        /** Items a second; null: no limit. */
        rate: z.number().positive().max(1e6).nullable().optional(),
        reason: reason.prefault(''),
      })
      .refine(({ state, rate }) => state !== undefined || rate !== undefined, { error: 'expected state or rate' })
      .meta({ id: 'SteerOperation' }),
    answers: { 200: operationShape },
    errors: ['NOT_FOUND', 'STATE_CONFLICT', 'REASON_REQUIRED'],
    act: 'operation.steer',
  }),
] as const;
