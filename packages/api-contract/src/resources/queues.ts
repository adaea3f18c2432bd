/** Task queues: how much waits, for how long, and who takes from them. */
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { count, instant, pageOf, reason } from '../shapes.ts';

export const queueName = z
  .string()
  .regex(/^(intake|(plan|chunk|finish)-[a-z][a-z0-9-]{0,62}-r[0-9]{1,6})$/, { error: 'expected intake or <kind>-<pool>-r<result version>' });

export const queueShape = z
  .strictObject({
    name: queueName,
    kind: z.enum(['intake', 'plan', 'chunk', 'finish']),
    /** Null of `intake`. */
    pool: z.string().nullable(),
    resultVersion: count.nullable(),
    /** Tasks that nobody has claimed, and those in hand. */
    waiting: count,
    active: count,
    /** Of the task that waits longest; null when none does. */
    oldestEnqueuedAt: instant.nullable(),
    /** Live processes that take from it, by their heartbeats. */
    consumers: count,
    slots: count,
    /** Nothing is taken from it until it is resumed. */
    paused: z.boolean(),
    /** Tasks that may be in flight at once; null: as many as the window holds. Of chunk queues only. */
    maxConcurrency: z.int().min(1).nullable(),
    /** Why it stands so, by whom and since when; null: nobody ever changed it. */
    setting: z.strictObject({ reason: z.string(), by: z.string(), at: instant }).nullable(),
    /** Of a chunk queue: the bound of waiting and active tasks together. */
    windowLimit: count.nullable(),
    /** Work behind the window too: what the ledger holds for this queue and nobody has claimed. */
    backlog: z.strictObject({ chunks: count, bytes: count, workSeconds: z.number().min(0) }).nullable(),
    /** Attempts that ended in a second, over the last minute; milliseconds from dispatch to claim of 95 in 100. Null: not known. */
    endedPerSecond: z.number().min(0).nullable(),
    waitP95Ms: z.number().min(0).nullable(),
    /** At the present rate; null when it is not known. */
    emptyInSeconds: count.nullable(),
    /** Of its setting; 0: it has none. */
    version: count,
  })
  .meta({ id: 'Queue' });
export type QueueView = z.output<typeof queueShape>;

export const queueRoutes = [
  defineRoute({
    method: 'GET',
    path: '/queues',
    operationId: 'listQueues',
    summary: 'Every queue that holds tasks, has consumers or is known to the scheduler',
    role: 'viewer',
    answers: { 200: pageOf(queueShape) },
    errors: [],
  }),
  defineRoute({
    method: 'GET',
    path: '/queues/{name}',
    operationId: 'readQueue',
    summary: 'One queue',
    role: 'viewer',
    params: z.strictObject({ name: queueName }),
    answers: { 200: queueShape },
    errors: ['NOT_FOUND'],
  }),
  defineRoute({
    method: 'PATCH',
    path: '/queues/{name}',
    operationId: 'steerQueue',
    summary: 'Pauses or resumes a queue, or bounds the tasks in flight of a chunk queue; `If-Match` carries its `version`',
    role: 'operator',
    params: z.strictObject({ name: queueName }),
    body: z
      .strictObject({ paused: z.boolean().optional(), maxConcurrency: z.int().min(1).max(100_000).nullable().optional(), reason: reason.min(1) })
      .refine(({ paused, maxConcurrency }) => paused !== undefined || maxConcurrency !== undefined, { error: 'expected paused or maxConcurrency' })
      .meta({ id: 'SteerQueue' }),
    answers: { 200: queueShape },
    errors: ['NOT_FOUND', 'ETAG_MISMATCH', 'STATE_CONFLICT', 'REASON_REQUIRED'],
    act: 'queue.steer',
    everyTenant: true,
    ifMatch: true,
  }),
] as const;
