/** What producers and the command line ask of the scheduler, and what it answers. Requests lie in Redis for an hour; no answer means *unknown*. */
import { z } from 'zod';

import { isJobId, isRequestId, type JobId, type RequestId } from './ids.ts';
import { maxIdempotencyKeyLength, maxReasonLength } from './limits.ts';
import type { Difference } from './spec-difference.ts';
import type { SpecIssue } from './spec-error.ts';
import type { JobResult, JobStatus } from './status.ts';

const jobId = z.custom<JobId>((value) => typeof value === 'string' && isJobId(value), { error: 'expected a job id' });
const requestId = z.custom<RequestId>((value) => typeof value === 'string' && isRequestId(value), { error: 'expected a request id' });
const head = { requestId, tenant: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/), by: z.string().min(1).max(255) };
const reason = z.string().max(maxReasonLength);

export const submitRequestShape = z.strictObject({
  kind: z.literal('submit'),
  ...head,
  /** From tenant and idempotency key, or new. */
  jobId,
  idempotencyKey: z.string().min(1).max(maxIdempotencyKeyLength).nullable(),
  /** The resolved spec. The scheduler resolves it again, which leaves a resolved spec as it is, and refuses what does not hold. */
  spec: z.unknown(),
});
export type SubmitRequest = z.output<typeof submitRequestShape>;

export const commandRequestShape = z.strictObject({
  kind: z.literal('command'),
  ...head,
  jobId,
  command: z.enum(['pause', 'resume', 'cancel']),
  reason,
});
export type CommandRequest = z.output<typeof commandRequestShape>;

export const redriveRequestShape = z.strictObject({
  kind: z.literal('redrive'),
  ...head,
  jobId,
  reason,
  /** `<stage>.<chunk>` of dead letters, or all of them and whatever else has no receipt. */
  select: z.union([z.literal('all'), z.array(z.string().regex(/^[a-z][a-z0-9]{0,31}\.[0-9]{1,10}$/)).min(1)]),
  /** The whole resolved spec of the new generation, or null: as before. */
  spec: z.unknown().nullable().default(null),
});
export type RedriveRequest = z.output<typeof redriveRequestShape>;

export const statusRequestShape = z.strictObject({ kind: z.literal('status'), ...head, jobId });
export type StatusRequest = z.output<typeof statusRequestShape>;

export const resultRequestShape = z.strictObject({ kind: z.literal('result'), ...head, jobId });
export type ResultRequest = z.output<typeof resultRequestShape>;

export const requestShape = z.discriminatedUnion('kind', [
  submitRequestShape,
  commandRequestShape,
  redriveRequestShape,
  statusRequestShape,
  resultRequestShape,
]);
export type Request = z.output<typeof requestShape>;
export type RequestKind = Request['kind'];

/** Answers of each kind of request when it was done. */
export interface AnswerBodies {
  /** `replayed`: a job with this key and spec was there already, in whatever state. */
  readonly submit: { readonly jobId: JobId; readonly replayed: boolean; readonly status: JobStatus };
  /** The command is durable; what it asks for happens after it. */
  readonly command: { readonly jobId: JobId; readonly number: number; readonly status: JobStatus };
  readonly redrive: { readonly jobId: JobId; readonly number: number; readonly generation: number; readonly chunks: number };
  readonly status: { readonly status: JobStatus };
  /** Null while the job is not terminal; then either `result` or the status says how it ended. */
  readonly result: { readonly status: JobStatus; readonly result: JobResult | null };
}

/** Why a request was not done. */
export interface Refusal {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** Of `SPEC_…`. */
  readonly issues?: readonly SpecIssue[];
  /** Of `KEY_CONFLICT`. */
  readonly jobId?: JobId;
  readonly differences?: readonly Difference[];
  /** Of `STATE_CONFLICT`. */
  readonly state?: string;
}

export type Answer = { [Kind in RequestKind]: { readonly ok: true; readonly kind: Kind } & AnswerBodies[Kind] }[RequestKind] | Refusal;
/** The answer to a request of one kind. */
export type AnswerTo<Kind extends RequestKind> = ({ readonly ok: true; readonly kind: Kind } & AnswerBodies[Kind]) | Refusal;

/** Throws a TypeError naming what is wrong. */
export function parseRequest(json: unknown): Request {
  const result = requestShape.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `/${issue.path.map(String).join('/')}: ${issue.message}`);
  throw new TypeError(`cannot read a request: ${problems.join('; ')}`);
}
