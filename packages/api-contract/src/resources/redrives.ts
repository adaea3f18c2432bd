/** Redrives in two steps: a frozen plan that counts what would happen, then a start that repeats its number. */
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { bytes, count, fingerprint, instant, jobId, operationId, pageOf, pageQuery, plainName, planId, reason, stageName } from '../shapes.ts';
import { operationShape } from './operations.ts';

export const planTargets = ['deadLetters', 'rejects', 'jobs'] as const;
export type PlanTarget = (typeof planTargets)[number];

export const canaryShape = z.strictObject({
  /** Items that go first. */
  count: z.int().min(1).max(1_000_000),
  /** Share of them that must be resolved before the rest follows. */
  minResolved: z.number().min(0).max(1),
});

/** Items a second. */
const rate = z.number().positive().max(1e6);
/** Place in the resolved spec → value, such as `execution.maxAttempts`. */
export const overridesShape = z.record(z.string().min(1).max(200), z.unknown());
export const noticeShape = z.strictObject({ code: z.string(), message: z.string() });
const correctionId = z.string().regex(/^c[0-9a-hjkmnp-tv-z]{26}$/, { error: 'expected a correction id: c and 26 letters and digits' });
const selection = {
  /** Of dead letters: as lists are filtered. Of jobs: `id job name state created age`. Of rejects: those of `jobId`. Exactly one way of saying what. */
  filter: z.string().min(1, { error: 'expected a filter, such as state:open for everything that is open' }).max(4_096).optional(),
  /** Ids of dead letters, rejects or jobs. */
  ids: z.array(z.string().min(1).max(128)).min(1).max(10_000).optional(),
  /** All open dead letters of an error group. */
  fingerprint: fingerprint.optional(),
  /** The job that `filter`, `ids` or `correctionId` of rejects are of. */
  jobId: jobId.optional(),
};

export const planBodyShape = z
  .strictObject({
    target: z.enum(planTargets),
    ...selection,
    /** Of rejects: a set of corrections that was uploaded. */
    correctionId: correctionId.optional(),
    overrides: overridesShape.optional(),
    /** Whose; needed by callers of several tenants only. */
    tenant: plainName.optional(),
  })
  .meta({ id: 'RedrivePlanRequest' });
export type PlanBody = z.output<typeof planBodyShape>;

export const planShape = z
  .strictObject({
    planId,
    tenant: plainName,
    target: z.enum([...planTargets, 'waiveDeadLetters']),
    /** As it was understood; null when ids were given. */
    filter: z.string().nullable(),
    asOf: instant,
    expiresAt: instant,
    /** `matched = willRedrive + resolvedSince + cannot`. */
    counts: z.strictObject({ matched: count, willRedrive: count, resolvedSince: count, cannot: count }),
    bytesToRead: bytes,
    /** `workSeconds` is null when nothing was measured. */
    estimate: z.strictObject({ requeueSeconds: count, workSeconds: count.nullable() }),
    /** What a start takes that names none; null: no limit, no canary. */
    rate: rate.nullable(),
    canary: canaryShape.nullable(),
    byCode: z.record(z.string(), count),
    jobs: z.array(
      z.strictObject({
        jobId,
        name: z.string(),
        state: z.string(),
        /** The one whose items they are: the redrive opens the next. */
        generation: z.int().min(1),
        items: count,
      }),
    ),
    /** Partitions that may run again because what they read changes. */
    reduceAgain: z.array(z.strictObject({ jobId, stage: stageName, partitions: count })),
    warnings: z.array(noticeShape),
    /** The first thousand of them. */
    cannot: z.array(z.strictObject({ id: z.string(), reason: z.string() })),
    overrides: overridesShape,
    /** What the overrides change in the spec of each job. */
    changes: z.array(z.strictObject({ jobId, pointer: z.string(), first: z.unknown(), now: z.unknown() })),
    /** What a start repeats: it has been seen. */
    confirm: count,
    /** The operation that this plan was started as; null: it was not. */
    operationId: operationId.nullable(),
  })
  .meta({ id: 'RedrivePlan' });
export type PlanView = z.output<typeof planShape>;

export const planItemShape = z.strictObject({ id: z.string(), jobId });

const planParams = z.strictObject({ planId });

export const redriveRoutes = [
  defineRoute({
    method: 'POST',
    path: '/redrives/plans',
    operationId: 'planRedrive',
    summary: 'The dry run: resolves a filter to ids once, looks at their sources, and says what a redrive of them would do; nothing runs',
    role: 'viewer',
    body: planBodyShape,
    answers: { 201: planShape },
    errors: ['NOT_FOUND', 'FILTER_INVALID', 'FILTER_EMPTY', 'PLAN_EMPTY', 'REJECT_UNKNOWN', 'REJECT_REPLAYED', 'SPEC_CONFLICT', 'STATE_CONFLICT', 'REBUILDING'],
    act: 'redrive.plan',
  }),
  defineRoute({
    method: 'GET',
    path: '/redrives/plans/{planId}',
    operationId: 'readPlan',
    summary: 'A frozen plan',
    role: 'viewer',
    params: planParams,
    answers: { 200: planShape },
    errors: ['NOT_FOUND', 'PLAN_EXPIRED'],
    etag: true,
  }),
  defineRoute({
    method: 'GET',
    path: '/redrives/plans/{planId}/items',
    operationId: 'listPlanItems',
    summary: 'The ids that a plan would redrive, job by job',
    role: 'viewer',
    params: planParams,
    query: z.strictObject(pageQuery),
    answers: { 200: pageOf(planItemShape) },
    errors: ['NOT_FOUND', 'PLAN_EXPIRED', 'CURSOR_INVALID'],
  }),
  defineRoute({
    method: 'POST',
    path: '/redrives',
    operationId: 'startRedrive',
    summary: 'Starts a frozen plan, once; a plan of rejects asks for the role steward',
    role: 'operator',
    body: z
      .strictObject({
        planId,
        /** `confirm` of the plan. */
        confirm: count,
        /** Null: no limit; absent: that of the plan. */
        rate: rate.nullable().optional(),
        /** Null: none; absent: that of the plan. */
        canary: canaryShape.nullable().optional(),
        reason: reason.prefault(''),
      })
      .meta({ id: 'StartRedrive' }),
    answers: { 202: operationShape },
    errors: ['NOT_FOUND', 'PLAN_USED', 'PLAN_EXPIRED', 'CONFIRM_MISMATCH', 'REASON_REQUIRED', 'STATE_CONFLICT'],
    act: 'redrive.start',
    ownKey: true,
  }),
] as const;
