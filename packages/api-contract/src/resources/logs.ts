/** What is left to read of attempts that did not commit, the first error first. */
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { attemptId, chunkId, contentQuery, generationNumber, instant, jobId, pageOf, pageQuery } from '../shapes.ts';

export const shownLogLevels = ['error', 'warn', 'info'] as const;

export const logLineShape = z
  .strictObject({
    /** When the attempt ended. */
    at: instant,
    level: z.enum(shownLogLevels),
    chunkId,
    attemptId,
    generation: generationNumber,
    worker: z.string(),
    /** `attempt`: how it ended, or a cause of that; `core`: the last lines of its standard error. */
    source: z.enum(['attempt', 'core']),
    code: z.string().nullable(),
    message: z.string(),
  })
  .meta({ id: 'LogLine' });
export type LogLineView = z.output<typeof logLineShape>;

export const logRoutes = [
  defineRoute({
    method: 'GET',
    path: '/jobs/{jobId}/logs',
    operationId: 'readJobLogs',
    summary:
      'What attempts that did not commit left to read, the first error first; lines of the core only with content. A page is of so many attempts, each with all of its lines. With `Accept: application/x-ndjson` all of them, with content',
    role: 'viewer',
    params: z.strictObject({ jobId }),
    query: z.strictObject({
      /** `clean.227`, or `plan.3` for the planning of file 3. */
      chunk: z
        .string()
        .regex(/^[a-z][a-z0-9]{0,31}\.\d{1,10}$/, { error: 'expected a chunk such as clean.227' })
        .optional(),
      attempt: attemptId.optional(),
      /** The least: `error` failed, `warn` also lost, `info` also given back or overtaken. */
      level: z.enum(shownLogLevels).prefault('warn'),
      ...pageQuery,
      ...contentQuery,
    }),
    answers: { 200: pageOf(logLineShape) },
    media: ['application/x-ndjson'],
    errors: ['NOT_FOUND', 'GONE', 'CURSOR_INVALID'],
    content: 'logs.show',
  }),
] as const;
