/** Worker hosts: who is alive, what each has in hand, and drain. */
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { attemptId, bytes, chunkId, count, instant, jobId, pageOf, reason } from '../shapes.ts';

export const workerId = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$/, { error: 'expected a worker id: letters, digits, dots, dashes' });

export const workerShape = z
  .strictObject({
    workerId,
    pool: z.string(),
    pod: z.string().nullable(),
    node: z.string(),
    coreVersion: z.string(),
    resultVersion: count,
    slots: count,
    busy: count,
    /** It takes no more tasks. */
    draining: z.boolean(),
    /** Somebody asked it to drain, and it has not heard of it yet or has begun. */
    drainAsked: z.boolean(),
    heartbeatAt: instant,
    heartbeatAgeMs: count,
    /** Resident, of the host and its cores; null: it does not tell. */
    memoryBytes: bytes.nullable(),
    /** Attempts in hand, the oldest first. */
    attempts: z.array(
      z.strictObject({
        attemptId,
        jobId,
        chunkId: chunkId.or(z.string()),
        startedAt: instant,
        bytes,
        bytesDone: bytes,
        recordsDone: count,
      }),
    ),
  })
  .meta({ id: 'Worker' });
export type WorkerSummary = z.output<typeof workerShape>;

const params = z.strictObject({ workerId });

export const workerRoutes = [
  defineRoute({
    method: 'GET',
    path: '/workers',
    operationId: 'listWorkers',
    summary: 'Hosts that are alive, by id, with what each has in hand',
    role: 'viewer',
    answers: { 200: pageOf(workerShape) },
    errors: [],
  }),
  defineRoute({
    method: 'GET',
    path: '/workers/{workerId}',
    operationId: 'readWorker',
    summary: 'One host',
    role: 'viewer',
    params,
    answers: { 200: workerShape },
    errors: ['NOT_FOUND'],
  }),
  defineRoute({
    method: 'POST',
    path: '/workers/{workerId}/drain',
    operationId: 'drainWorker',
    summary: 'Asks a host to take no more tasks, to end or hand back those in hand, and to leave',
    role: 'operator',
    params,
    body: z.strictObject({ reason: reason.prefault('') }),
    bodyOptional: true,
    answers: { 202: workerShape },
    errors: ['NOT_FOUND', 'REASON_REQUIRED'],
    act: 'worker.drain',
    everyTenant: true,
  }),
] as const;
