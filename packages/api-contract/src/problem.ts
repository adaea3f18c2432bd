/** Problems as every route answers them (RFC 9457), and the status that goes with each code. Pure. */
import { codeInfo, type FailureCode } from '@millrace/protocol/browser';
import { z } from 'zod';

export const problemMedia = 'application/problem+json';

export const problemIssueShape = z.strictObject({
  /** JSON Pointer into the request: `/spec/output/format`, `/query/limit`, `/params/jobId`. Names of fields of the body stand without a prefix. */
  pointer: z.string(),
  code: z.string(),
  /** Expected and got. */
  message: z.string(),
  /** The nearest name or value there is. */
  suggestion: z.string().optional(),
});
export type ProblemIssue = z.output<typeof problemIssueShape>;

export const problemShape = z.strictObject({
  /** Path of the page of the code on the same server. */
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  /** The same request may succeed later. */
  retryable: z.boolean(),
  requestId: z.string(),
  traceId: z.string().optional(),
  errors: z.array(problemIssueShape).optional(),
  /** What a page can use: the state of a job, the job that a key belongs to, how the specs differ. By code. */
  details: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.output<typeof problemShape>;

const statuses: Readonly<Partial<Record<FailureCode, number>>> = {
  REQUEST_INVALID: 400,
  FILTER_INVALID: 400,
  CURSOR_INVALID: 400,
  AUTH_REQUIRED: 401,
  AUTH_FORBIDDEN: 403,
  AUTH_CSRF: 403,
  AUTH_STALE: 403,
  SPEC_TENANT_DENIED: 403,
  NOT_FOUND: 404,
  POOL_UNKNOWN: 404,
  STATE_CONFLICT: 409,
  KEY_IN_FLIGHT: 409,
  JOB_FAILED: 409,
  JOB_CANCELLED: 409,
  PLAN_USED: 409,
  INPUT_CHANGED: 409,
  GONE: 410,
  PLAN_EXPIRED: 410,
  INPUT_NOT_FOUND: 410,
  ETAG_MISMATCH: 412,
  REQUEST_TOO_LARGE: 413,
  REQUEST_MEDIA_TYPE: 415,
  RANGE_NOT_SATISFIABLE: 416,
  KEY_CONFLICT: 422,
  FILTER_EMPTY: 422,
  PLAN_EMPTY: 422,
  CONFIRM_MISMATCH: 422,
  REASON_REQUIRED: 422,
  REJECT_UNKNOWN: 422,
  REJECT_REPLAYED: 422,
  // Places and files that a spec names.
  STORAGE_FORBIDDEN: 422,
  INPUT_NONE: 422,
  INPUT_LIST: 422,
  INPUT_LOOKUP: 422,
  INPUT_DIGEST_MISMATCH: 422,
  INPUT_COUNT_MISMATCH: 422,
  OUTPUT_NOT_EMPTY: 422,
  OVER_LIMIT: 422,
  ENCODING_UNCERTAIN: 422,
  CSV_DIALECT_UNCERTAIN: 422,
  RATE_LIMITED: 429,
  QUOTA_EXCEEDED: 429,
  STREAM_LIMIT: 429,
  BUSY: 503,
  REBUILDING: 503,
  REDIS_UNAVAILABLE: 503,
  REDIS_MEMORY: 503,
  STORAGE_UNAVAILABLE: 503,
  STORAGE_TIMEOUT: 503,
  STORAGE_CONNECTION: 503,
  STORAGE_THROTTLED: 503,
  CORE_START: 503,
};

/** `SPEC_…` codes are 422; a code that no caller can cause is 500. */
export function statusOf(code: FailureCode): number {
  return statuses[code] ?? (code.startsWith('SPEC_') ? 422 : 500);
}

/** Path of the page of a code, as `type` of a problem has it. */
export const pageOfCode = (code: string): string => `/docs/errors/${code}`;

export const titleOf = (code: FailureCode): string => codeInfo(code).title;

/** Codes that any route may answer. */
export const commonErrors = [
  'REQUEST_INVALID',
  'AUTH_REQUIRED',
  'AUTH_FORBIDDEN',
  'RATE_LIMITED',
  'BUSY',
  'INTERNAL',
] as const satisfies readonly FailureCode[];
