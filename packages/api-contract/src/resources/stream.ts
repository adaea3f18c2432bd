/** Live events (server-sent): what changed, as absolute numbers, so that a lost event does no harm. */
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { count, jobId } from '../shapes.ts';
import { operationShape } from './operations.ts';
import { queueShape } from './queues.ts';
import { workerShape } from './workers.ts';

export const streamTopics = ['jobs', 'errors', 'deadLetters', 'operations', 'workers', 'queues'] as const;
/** One of these, or `job:<jobId>`. */
export type StreamTopic = (typeof streamTopics)[number] | `job:${string}`;

export const maxTopics = 20;
/** Open at once of one session or token. */
export const maxStreams = 6;
const topicPattern = /^(jobs|errors|deadLetters|operations|workers|queues|job:j[0-9a-hjkmnp-tv-z]{26})$/;

const topics = z
  .string()
  .max(2_048)
  .transform((text) => [...new Set(text.split(','))])
  .pipe(
    z
      .array(z.string().regex(topicPattern, { error: `expected one of ${streamTopics.join(', ')} or job:<jobId>` }))
      .min(1)
      .max(maxTopics),
  );

/** A job as B of the product page has it; `waitingFor` is a sentence. */
const jobStatus = z.looseObject({ jobId, name: z.string(), state: z.string(), generation: z.int() });
const chunkChange = z.strictObject({
  /** `<jobId>.<stage>.<index>` */
  chunk: z.string(),
  state: z.string(),
  attempt: z.string().nullable(),
  code: z.string().nullable(),
});

/** Data of each event. Lists hold each thing once, with its newest numbers; of one topic there are at most two events a second. */
export const streamEventShapes = {
  /** Topics `jobs` and `job:<id>`. */
  job: z.strictObject({ items: z.array(jobStatus) }),
  /** Topic `job:<id>`. Beyond twenty a second chunks that follow one another are told as ranges. */
  chunk: z.strictObject({
    jobId,
    items: z.array(chunkChange),
    ranges: z.array(z.strictObject({ stage: z.string(), first: count, last: count, state: z.string() })),
  }),
  errorGroup: z.strictObject({
    items: z.array(
      z.strictObject({
        fingerprint: z.string(),
        code: z.string(),
        state: z.string(),
        failures: count,
        dead: count,
        firstSeenAt: z.string(),
        lastSeenAt: z.string(),
      }),
    ),
  }),
  /** Open dead letters of jobs where that number changed, and of all jobs. */
  deadLetter: z.strictObject({ items: z.array(z.strictObject({ jobId, open: count })), open: count }),
  operation: z.strictObject({ items: z.array(operationShape) }),
  /** `gone`: ids of hosts that left. */
  worker: z.strictObject({ items: z.array(workerShape), gone: z.array(z.string()) }),
  queue: z.strictObject({ items: z.array(queueShape) }),
  /** Text for a banner; `ok`: it is over. */
  notice: z.strictObject({ code: z.enum(['REDIS_UNAVAILABLE', 'REBUILDING', 'LEADER_CHANGED', 'NO_LEADER']), ok: z.boolean(), message: z.string() }),
  /** Events of these topics were missed: read again what they are about. */
  reset: z.strictObject({ topics: z.array(z.string()) }),
} as const;
export type StreamEventName = keyof typeof streamEventShapes;
export type StreamEventData<Name extends StreamEventName> = z.output<(typeof streamEventShapes)[Name]>;

export const streamRoutes = [
  defineRoute({
    method: 'GET',
    path: '/stream',
    operationId: 'readStream',
    summary: 'Server-sent events of the topics asked for; `Last-Event-ID` resumes, or a `reset` says what to read again',
    role: 'viewer',
    query: z.strictObject({ topics }),
    answers: { 200: null },
    media: ['text/event-stream'],
    errors: ['STREAM_LIMIT'],
  }),
] as const;
