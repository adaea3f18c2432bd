/** Recurring jobs. */
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { count, instant, jobId, pageOf, plainName, reason } from '../shapes.ts';

export const scheduleRunShape = z.strictObject({
  at: instant,
  /** `waiting`: the last run is not over; `missed`: passed over by `catchUp`; `skipped`: by `overlap`; `failed`: the job was not accepted. */
  outcome: z.enum(['fired', 'waiting', 'missed', 'skipped', 'failed']),
  jobId: jobId.nullable(),
  /** Of the job as it stands now; null when there is none or it is not known. */
  jobState: z.string().nullable(),
  code: z.string().nullable(),
  message: z.string().nullable(),
});

export const scheduleShape = z
  .strictObject({
    tenant: plainName,
    name: plainName,
    version: z.int().min(1),
    cron: z.string(),
    timezone: z.string(),
    overlap: z.enum(['skip', 'queue', 'allow']),
    catchUp: z.enum(['last', 'none', 'all']),
    paused: z.boolean(),
    /** The next five fires; none while it is paused or over. */
    next: z.array(instant),
    /** Newest first, at most twenty. */
    runs: z.array(scheduleRunShape),
    /** Among `runs`. */
    missed: count,
    changedAt: instant,
    changedBy: z.string(),
    reason: z.string(),
  })
  .meta({ id: 'Schedule' });
export type ScheduleSummary = z.output<typeof scheduleShape>;

export const scheduleWithSpecShape = scheduleShape
  .extend({
    /** The resolved spec of its jobs. */
    spec: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'ScheduleWithSpec' });

const params = z.strictObject({ name: plainName });
/** Needed by callers of several tenants only. */
const tenantQuery = z.strictObject({ tenant: plainName.optional() });
const steer = {
  method: 'POST',
  role: 'operator',
  params,
  query: tenantQuery,
  body: z.strictObject({ reason: reason.prefault('') }),
  bodyOptional: true,
  errors: ['NOT_FOUND', 'STATE_CONFLICT', 'REASON_REQUIRED'],
} as const;

export const scheduleRoutes = [
  defineRoute({
    method: 'GET',
    path: '/schedules',
    operationId: 'listSchedules',
    summary: 'All schedules with their next fires and last runs, by name',
    role: 'viewer',
    query: z.strictObject({ tenant: plainName.optional() }),
    answers: { 200: pageOf(scheduleShape) },
    errors: [],
  }),
  defineRoute({
    method: 'GET',
    path: '/schedules/{name}',
    operationId: 'readSchedule',
    summary: 'One schedule with its spec',
    role: 'viewer',
    params,
    query: tenantQuery,
    answers: { 200: scheduleWithSpecShape },
    errors: ['NOT_FOUND'],
    etag: true,
  }),
  defineRoute({
    method: 'PUT',
    path: '/schedules/{name}',
    operationId: 'putSchedule',
    summary: 'Makes a schedule, or changes the one that `If-Match` names; what was due before is not made up for',
    role: 'operator',
    params,
    body: z.strictObject({ spec: z.record(z.string(), z.unknown()), reason: reason.prefault('') }).meta({ id: 'PutSchedule' }),
    answers: { 200: scheduleWithSpecShape, 201: scheduleWithSpecShape },
    errors: ['ETAG_MISMATCH', 'SPEC_CRON', 'SPEC_BAD_VALUE', 'SPEC_CONFLICT', 'REASON_REQUIRED'],
    act: 'schedule.put',
    etag: true,
  }),
  defineRoute({
    method: 'DELETE',
    path: '/schedules/{name}',
    operationId: 'removeSchedule',
    summary: 'Takes a schedule out; its jobs stay',
    role: 'operator',
    params,
    query: z.strictObject({ tenant: plainName.optional(), reason: reason.prefault('') }),
    answers: { 204: null },
    errors: ['NOT_FOUND', 'ETAG_MISMATCH', 'REASON_REQUIRED'],
    act: 'schedule.remove',
    ifMatch: true,
  }),
  defineRoute({
    ...steer,
    path: '/schedules/{name}/fire',
    operationId: 'fireSchedule',
    summary: 'Fires now, whatever its cron says; `overlap` counts all the same',
    answers: { 202: scheduleShape },
    act: 'schedule.fire',
  }),
  defineRoute({
    ...steer,
    path: '/schedules/{name}/pause',
    operationId: 'pauseSchedule',
    summary: 'No fires until it is resumed',
    answers: { 200: scheduleShape },
    act: 'schedule.pause',
  }),
  defineRoute({
    ...steer,
    path: '/schedules/{name}/resume',
    operationId: 'resumeSchedule',
    summary: 'Fires again; those that were due in between are not made up for',
    answers: { 200: scheduleShape },
    act: 'schedule.resume',
  }),
] as const;
