/** What producers and the command line ask of the scheduler, and what it answers. Requests lie in Redis for an hour; no answer means *unknown*. */
import { z } from 'zod';
import type { AttemptView } from './attempts.ts';
import type { ErrorGroup } from './error-group.ts';
import { isJobId, isRequestId, type JobId, type RequestId } from './ids.ts';
import type { LookupFile } from './job-record.ts';
import type { ResolvedJobSpec } from './job-spec-shape.ts';
import { maxBatchChunks, maxChunkKeyLength, maxIdempotencyKeyLength, maxInlineChunkBytes, maxInlinePayloadBytes, maxReasonLength } from './limits.ts';
import { canaryShape, type ItemCounts, type Operation, operationStates, overridesShape, type RedrivePlan, redriveTargets } from './redrive-plan.ts';
import type { ScheduleRun } from './schedule.ts';
import type { Difference } from './spec-difference.ts';
import type { SpecIssue } from './spec-error.ts';
import type { JobResult, JobStatus } from './status.ts';

const jobId = z.custom<JobId>((value) => typeof value === 'string' && isJobId(value), { error: 'expected a job id' });
const requestId = z.custom<RequestId>((value) => typeof value === 'string' && isRequestId(value), { error: 'expected a request id' });
/** The record of the act that whoever asks has written already; left out: whoever answers writes its own. */
const recorded = z.strictObject({ day: z.iso.date(), auditId: z.string().regex(/^e[0-9a-z]{26}$/) });
const head = { requestId, tenant: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/), by: z.string().min(1).max(255), recorded: recorded.optional() };
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

/** What a submit of this spec would say. */
export const checkRequestShape = z.strictObject({ kind: z.literal('check'), ...head, spec: z.unknown() });
export type CheckRequest = z.output<typeof checkRequestShape>;

export const openRequestShape = z.strictObject({
  kind: z.literal('open'),
  ...head,
  jobId,
  idempotencyKey: z.string().min(1).max(maxIdempotencyKeyLength).nullable(),
  /** The resolved spec of a stream. */
  spec: z.unknown(),
  /** A stream without a new chunk for so long fails. */
  sealTimeLimitMs: z.int().min(1_000),
});
export type OpenRequest = z.output<typeof openRequestShape>;

const offset = z.int().min(0);
/** Four characters of base64 hold three bytes. */
const mostBase64 = Math.ceil(maxInlinePayloadBytes / 3) * 4;
const said = { key: z.string().min(1).max(maxChunkKeyLength), records: z.int().min(0).nullable() };
export const chunkInputShape = z.union([
  z.strictObject({ ...said, uri: z.string().min(1).max(2_048), range: z.tuple([offset, offset]).nullable(), etag: z.string().min(1).max(1_024).nullable() }),
  z.strictObject({ ...said, inline: z.base64().max(mostBase64) }),
]);
/** A chunk as a producer sends it; `inline` is base64. */
export type SentChunk = z.output<typeof chunkInputShape>;

/** An empty batch asks how far ahead the stream is. */
export const chunksRequestShape = z.strictObject({
  kind: z.literal('chunks'),
  ...head,
  jobId,
  chunks: z
    .array(chunkInputShape)
    .max(maxBatchChunks)
    .refine(
      (chunks) => chunks.reduce((sum, chunk) => sum + ('inline' in chunk ? chunk.inline.length : 0), 0) * 0.75 <= maxInlineChunkBytes + 3 * chunks.length,
      {
        error: `expected at most ${maxInlineChunkBytes} inline bytes`,
      },
    ),
});
export type ChunksRequest = z.output<typeof chunksRequestShape>;

export const sealRequestShape = z.strictObject({
  kind: z.literal('seal'),
  ...head,
  jobId,
  /** What the producer has sent, by its own count; null: not told. */
  chunks: z.int().min(0).nullable(),
  bytes: z.int().min(0).nullable(),
});
export type SealRequest = z.output<typeof sealRequestShape>;

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

export const replayRequestShape = z.strictObject({
  kind: z.literal('replay'),
  ...head,
  jobId,
  reason,
  /** A set of corrections that stands in the journal. */
  correctionId: z.string().regex(/^c[0-9a-z]{26}$/),
  /** The whole resolved spec of the new generation, or null: as before. */
  spec: z.unknown().nullable().default(null),
});
export type ReplayRequest = z.output<typeof replayRequestShape>;

export const statusRequestShape = z.strictObject({ kind: z.literal('status'), ...head, jobId });
export type StatusRequest = z.output<typeof statusRequestShape>;

export const resultRequestShape = z.strictObject({ kind: z.literal('result'), ...head, jobId });
export type ResultRequest = z.output<typeof resultRequestShape>;

const filterText = z.string().max(4_096);
const page = { limit: z.int().min(1).max(200).default(50), after: z.string().max(200).nullable().default(null) };
const docName = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.-]{0,127}$/);

/** Freezes what a redrive would take and answers what it would do. Exactly one of `filter` and `ids` says what. */
export const planRedriveRequestShape = z.strictObject({
  kind: z.literal('planRedrive'),
  ...head,
  target: z.enum([...redriveTargets, 'waiveDeadLetters']).default('deadLetters'),
  filter: filterText.nullable().default(null),
  /** Of dead letters, `<chunkId>.<generation>`; of jobs with `target: jobs`. */
  ids: z.array(z.string().max(128)).min(1).max(10_000).nullable().default(null),
  overrides: overridesShape.default({}),
});
export type PlanRedriveRequest = z.output<typeof planRedriveRequestShape>;

/** The same for rejects of one job, whose corrected bytes stand in the journal as a set. */
export const planReplayRequestShape = z.strictObject({
  kind: z.literal('planReplay'),
  ...head,
  jobId,
  correctionId: z.string().regex(/^c[0-9a-z]{26}$/),
  /** As the rejects were chosen; null: by an upload or by ids. */
  filter: filterText.nullable().default(null),
  /** Rejects that were meant and cannot be replayed, and why. */
  cannot: z
    .array(z.strictObject({ id: z.string().max(128), reason: z.string().max(500) }))
    .max(10_000)
    .default([]),
  overrides: overridesShape.default({}),
});
export type PlanReplayRequest = z.output<typeof planReplayRequestShape>;

export const startRedriveRequestShape = z.strictObject({
  kind: z.literal('startRedrive'),
  ...head,
  planId: docName,
  /** How many will be redriven, as the plan says: whoever starts it has seen the number. */
  confirm: z.int().min(0),
  /** Items a second; null: no limit; absent: what the plan proposes. */
  rate: z.number().positive().max(1e6).nullable().optional(),
  /** Null: none; absent: one of 20 above 100 items. */
  canary: canaryShape.nullable().optional(),
  reason,
  idempotencyKey: z.string().min(1).max(maxIdempotencyKeyLength).nullable().default(null),
});
export type StartRedriveRequest = z.output<typeof startRedriveRequestShape>;

export const redrivePlanRequestShape = z.strictObject({ kind: z.literal('redrivePlan'), ...head, planId: docName });
export type RedrivePlanRequest = z.output<typeof redrivePlanRequestShape>;

export const operationsRequestShape = z.strictObject({
  kind: z.literal('operations'),
  ...head,
  state: z.enum(operationStates).nullable().default(null),
  ...page,
});
export type OperationsRequest = z.output<typeof operationsRequestShape>;

export const operationRequestShape = z.strictObject({ kind: z.literal('operation'), ...head, operationId: docName });
export type OperationRequest = z.output<typeof operationRequestShape>;

export const itemOutcomes = ['pending', 'resolved', 'failedAgain', 'skipped'] as const;
export type ItemOutcome = (typeof itemOutcomes)[number];

/** `why`: of one that failed again or was skipped, as far as that is known. */
export interface OperationItem {
  readonly id: string;
  readonly outcome: ItemOutcome;
  readonly why: { readonly code: string; readonly message: string } | null;
}

export const operationItemsRequestShape = z.strictObject({
  kind: z.literal('operationItems'),
  ...head,
  operationId: docName,
  outcome: z.enum(itemOutcomes).nullable().default(null),
  limit: page.limit,
  /** Number of items to pass over, as an earlier answer named it. */
  after: z.int().min(0).default(0),
});
export type OperationItemsRequest = z.output<typeof operationItemsRequestShape>;

export const steerOperationRequestShape = z.strictObject({
  kind: z.literal('steerOperation'),
  ...head,
  operationId: docName,
  act: z.enum(['pause', 'resume', 'abort', 'rate']),
  /** Of `rate`: items a second, null: no limit. */
  rate: z.number().positive().max(1e6).nullable().default(null),
  reason,
});
export type SteerOperationRequest = z.output<typeof steerOperationRequestShape>;

export const errorGroupsRequestShape = z.strictObject({ kind: z.literal('errorGroups'), ...head, filter: filterText.default(''), ...page });
export type ErrorGroupsRequest = z.output<typeof errorGroupsRequestShape>;

const fingerprintText = z.string().regex(/^[0-9A-Za-z-]{1,64}$/);
export const errorGroupRequestShape = z.strictObject({ kind: z.literal('errorGroup'), ...head, fingerprint: fingerprintText });
export type ErrorGroupRequest = z.output<typeof errorGroupRequestShape>;

export const triageRequestShape = z.strictObject({
  kind: z.literal('triage'),
  ...head,
  fingerprint: fingerprintText,
  /** Null: as it is. */
  state: z.enum(['open', 'resolved', 'ignored']).nullable(),
  /** Of `ignored`: until an instant or a count of failures; null: for good. */
  until: z
    .strictObject({ at: z.iso.datetime().nullable(), failures: z.int().min(1).nullable() })
    .nullable()
    .default(null),
  /** Why it was decided so. */
  note: reason.default(''),
  /** Who looks after it, null: nobody; left out: as it is. */
  owner: z.string().min(1).max(255).nullable().optional(),
  /** A note to add; empty: none. */
  remark: reason.default(''),
  /** The version that was looked at; another one is a conflict. */
  version: z.int().min(0).nullable().default(null),
});
export type TriageRequest = z.output<typeof triageRequestShape>;

export const deadLettersRequestShape = z.strictObject({ kind: z.literal('deadLetters'), ...head, filter: filterText.default(''), ...page });
export type DeadLettersRequest = z.output<typeof deadLettersRequestShape>;

export const attemptsRequestShape = z.strictObject({
  kind: z.literal('attempts'),
  ...head,
  jobId,
  stage: z.string().regex(/^[a-z][a-z0-9]{0,31}$/),
  chunk: z.int().min(0).max(9_999_999_999),
});
export type AttemptsRequest = z.output<typeof attemptsRequestShape>;

export const retryNowRequestShape = z.strictObject({
  kind: z.literal('retryNow'),
  ...head,
  jobId,
  stage: z.string().regex(/^[a-z][a-z0-9]{0,31}$/),
  chunk: z.int().min(0).max(9_999_999_999),
  reason,
});
export type RetryNowRequest = z.output<typeof retryNowRequestShape>;

/** A dead letter as lists show it. */
export interface DeadLetterView {
  readonly deadLetterId: string;
  readonly jobId: JobId;
  readonly jobName: string;
  readonly code: string;
  readonly class: string;
  readonly message: string;
  readonly fingerprint: string | null;
  readonly diedAt: string;
  readonly attempts: number;
  readonly bytes: number;
  readonly uri: string | null;
  readonly start: number | null;
  readonly end: number | null;
}

const scheduleName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);

export const putScheduleRequestShape = z.strictObject({
  kind: z.literal('putSchedule'),
  ...head,
  /** The resolved spec, whose name is that of the schedule. */
  spec: z.unknown(),
  reason,
});
export type PutScheduleRequest = z.output<typeof putScheduleRequestShape>;

export const steerScheduleRequestShape = z.strictObject({
  kind: z.literal('steerSchedule'),
  ...head,
  name: scheduleName,
  act: z.enum(['pause', 'resume', 'fire', 'remove']),
  reason,
});
export type SteerScheduleRequest = z.output<typeof steerScheduleRequestShape>;

export const schedulesRequestShape = z.strictObject({ kind: z.literal('schedules'), ...head });
export type SchedulesRequest = z.output<typeof schedulesRequestShape>;

/** A schedule as people see it. */
export interface ScheduleView {
  readonly tenant: string;
  readonly name: string;
  readonly version: number;
  readonly cron: string;
  readonly timezone: string;
  readonly paused: boolean;
  /** The next fires. */
  readonly next: readonly string[];
  /** Newest first. */
  readonly runs: readonly ScheduleRun[];
}

export const requestShape = z.discriminatedUnion('kind', [
  submitRequestShape,
  checkRequestShape,
  openRequestShape,
  chunksRequestShape,
  sealRequestShape,
  commandRequestShape,
  redriveRequestShape,
  planRedriveRequestShape,
  planReplayRequestShape,
  startRedriveRequestShape,
  redrivePlanRequestShape,
  operationsRequestShape,
  operationRequestShape,
  operationItemsRequestShape,
  steerOperationRequestShape,
  errorGroupsRequestShape,
  errorGroupRequestShape,
  triageRequestShape,
  deadLettersRequestShape,
  attemptsRequestShape,
  retryNowRequestShape,
  replayRequestShape,
  putScheduleRequestShape,
  steerScheduleRequestShape,
  schedulesRequestShape,
  statusRequestShape,
  resultRequestShape,
]);
export type Request = z.output<typeof requestShape>;
export type RequestKind = Request['kind'];

/** A file as it stands now. */
export interface FoundFile {
  readonly uri: string;
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

/** What an input of a checked spec stands for. */
export interface FoundInput {
  readonly files: number;
  readonly bytes: number;
  /** The first few, to be shown. */
  readonly first: readonly FoundFile[];
  /** Those that planning would probe. */
  readonly samples: readonly FoundFile[];
}

/** Answers of each kind of request when it was done. */
export interface AnswerBodies {
  /** `replayed`: a job with this key and spec was there already, in whatever state. */
  readonly submit: { readonly jobId: JobId; readonly replayed: boolean; readonly status: JobStatus };
  /** `spec`: resolved and with the schemas that it names, null where it cannot be read. `inputs`: those of the spec in their order; null: an issue says why. */
  readonly check: {
    readonly issues: readonly SpecIssue[];
    readonly spec: ResolvedJobSpec | null;
    readonly inputs: readonly (FoundInput | null)[];
    /** Null: an issue says why. */
    readonly lookups: readonly LookupFile[] | null;
  };
  readonly open: { readonly jobId: JobId; readonly replayed: boolean; readonly status: JobStatus };
  /** Durable. `duplicates` were there before with the same content; `ahead`: chunks of the stream that are accepted and have no outcome. */
  readonly chunks: { readonly jobId: JobId; readonly accepted: number; readonly duplicates: number; readonly ahead: number };
  /** No chunk is accepted any more; `replayed`: that was so before. */
  readonly seal: { readonly jobId: JobId; readonly replayed: boolean; readonly chunks: number; readonly bytes: number };
  /** The command is durable; what it asks for happens after it. */
  readonly command: { readonly jobId: JobId; readonly number: number; readonly status: JobStatus };
  readonly redrive: { readonly jobId: JobId; readonly number: number; readonly generation: number; readonly chunks: number };
  readonly planRedrive: { readonly plan: RedrivePlan };
  readonly planReplay: { readonly plan: RedrivePlan };
  readonly redrivePlan: { readonly plan: RedrivePlan };
  /** `replayed`: this plan was started with this key before. */
  readonly startRedrive: { readonly operation: Operation; readonly replayed: boolean };
  /** `after`: what to ask with for the next page, null at the end. */
  readonly operations: { readonly operations: readonly Operation[]; readonly after: string | null };
  readonly operation: { readonly operation: Operation };
  readonly operationItems: {
    readonly items: readonly OperationItem[];
    readonly after: number | null;
    readonly counts: ItemCounts;
  };
  readonly steerOperation: { readonly operation: Operation };
  readonly errorGroups: { readonly groups: readonly ErrorGroup[]; readonly total: number; readonly filter: string; readonly after: string | null };
  readonly errorGroup: { readonly group: ErrorGroup };
  readonly triage: { readonly group: ErrorGroup };
  readonly deadLetters: { readonly letters: readonly DeadLetterView[]; readonly total: number; readonly filter: string; readonly after: string | null };
  /** Newest first. */
  readonly attempts: { readonly attempts: readonly AttemptView[] };
  /** The wait is over: a host may take it at once. */
  readonly retryNow: { readonly chunkId: string };
  readonly replay: { readonly jobId: JobId; readonly number: number; readonly generation: number; readonly records: number; readonly chunks: number };
  readonly putSchedule: { readonly schedule: ScheduleView };
  readonly steerSchedule: { readonly schedule: ScheduleView };
  readonly schedules: { readonly schedules: readonly ScheduleView[] };
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
