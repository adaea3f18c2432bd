/** Waivers: to accept the gap of a dead letter or the loss of a reject, by name and with a reason, in the same two steps as a redrive. */
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { count, fingerprint, jobId, plainName, planId, reason } from '../shapes.ts';
import { operationShape } from './operations.ts';
import { planShape } from './redrives.ts';

export const waiverTargets = ['deadLetters'] as const;

export const waiverRoutes = [
  defineRoute({
    method: 'POST',
    path: '/waivers/plans',
    operationId: 'planWaiver',
    summary: 'The dry run of a waiver: freezes ids and counts; `willRedrive` is how many would be waived',
    role: 'steward',
    body: z
      .strictObject({
        target: z.enum(waiverTargets),
        filter: z.string().min(1, { error: 'expected a filter, such as state:open for everything that is open' }).max(4_096).optional(),
        ids: z.array(z.string().min(1).max(128)).min(1).max(10_000).optional(),
        /** All open dead letters of an error group. */
        fingerprint: fingerprint.optional(),
        /** The job that rejects are of. */
        jobId: jobId.optional(),
        tenant: plainName.optional(),
      })
      .meta({ id: 'WaiverPlanRequest' }),
    answers: { 201: planShape },
    errors: ['NOT_FOUND', 'FILTER_INVALID', 'FILTER_EMPTY', 'PLAN_EMPTY', 'REJECT_UNKNOWN', 'STATE_CONFLICT', 'REBUILDING'],
    act: 'waiver.plan',
  }),
  defineRoute({
    method: 'POST',
    path: '/waivers',
    operationId: 'startWaiver',
    summary: 'Waives what a plan names: dead letters count as tolerated and their gaps are named, rejects as accepted losses; each job is judged anew',
    role: 'steward',
    body: z
      .strictObject({ planId, confirm: count, reason: reason.min(1, { error: 'expected a reason: a waiver stands under it' }) })
      .meta({ id: 'StartWaiver' }),
    answers: { 202: operationShape },
    errors: ['NOT_FOUND', 'PLAN_USED', 'PLAN_EXPIRED', 'CONFIRM_MISMATCH', 'REASON_REQUIRED', 'STATE_CONFLICT', 'AUTH_STALE'],
    act: 'waiver.start',
    fresh: true,
    ownKey: true,
  }),
] as const;
