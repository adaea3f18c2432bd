/** What a caller can catch. Messages say what could not be done and why; none holds record content or a secret. */
import { type Difference, issueText, type JobId, type JobState, type JobStatus, type Refusal, type SpecIssue } from '@millrace/protocol';

export class MillraceError extends Error {
  readonly code: string;
  /** The same call may succeed later. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: { retryable?: boolean; details?: Readonly<Record<string, unknown>>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

/** The spec is wrong; every issue at once. */
export class SpecError extends MillraceError {
  readonly issues: readonly SpecIssue[];

  constructor(issues: readonly SpecIssue[]) {
    super(issues[0]?.code ?? 'SPEC_BAD_VALUE', `cannot submit job: ${issues.map(issueText).join('; ')}`, { details: { issues } });
    this.issues = issues;
  }
}

/** The idempotency key belongs to a job with another spec, or the key of a chunk to another content (then there are no differences). */
export class ConflictError extends MillraceError {
  readonly jobId: JobId;
  readonly differences: readonly Difference[];

  constructor(message: string, jobId: JobId, differences: readonly Difference[]) {
    super('KEY_CONFLICT', message, { details: { jobId, differences } });
    this.jobId = jobId;
    this.differences = differences;
  }
}

/** The job's state forbids what was asked. */
export class StateError extends MillraceError {
  readonly state: JobState;

  constructor(message: string, state: JobState) {
    super('STATE_CONFLICT', message, { details: { state } });
    this.state = state;
  }
}

/** No answer in time: whether the job was accepted is *unknown*. Submit again with the same key, or look at `job(jobId)`. */
export class AckTimeoutError extends MillraceError {
  readonly jobId: JobId;

  constructor(jobId: JobId, message: string) {
    super('ACK_TIMEOUT', message, { retryable: true, details: { jobId } });
    this.jobId = jobId;
  }
}

/** Redis cannot be reached, or is not fit for work that must not be lost. */
export class UnavailableError extends MillraceError {
  constructor(message: string, cause?: unknown) {
    super('REDIS_UNAVAILABLE', message, { retryable: true, cause });
  }
}

export class NotFoundError extends MillraceError {
  constructor(message: string) {
    super('NOT_FOUND', message);
  }
}

export class JobFailedError extends MillraceError {
  readonly status: JobStatus;

  constructor(status: JobStatus) {
    super(status.failure?.code ?? 'JOB_FAILED', `job ${status.jobId} failed: ${status.failure?.message ?? 'see its manifest'}`, { details: { status } });
    this.status = status;
  }
}

export class JobCancelledError extends MillraceError {
  readonly status: JobStatus;

  constructor(status: JobStatus) {
    super('JOB_CANCELLED', `job ${status.jobId} was cancelled`, { details: { status } });
    this.status = status;
  }
}

/** The scheduler's refusal as the error a caller catches. */
export function refusalError(refusal: Refusal): MillraceError {
  if (refusal.code === 'KEY_CONFLICT' && refusal.jobId !== undefined) return new ConflictError(refusal.message, refusal.jobId, refusal.differences ?? []);
  if (refusal.issues !== undefined && refusal.issues.length > 0) return new SpecError(refusal.issues);
  if (refusal.code === 'STATE_CONFLICT') return new StateError(refusal.message, (refusal.state ?? 'accepted') as JobState);
  if (refusal.code === 'NOT_FOUND') return new NotFoundError(refusal.message);
  return new MillraceError(refusal.code, refusal.message, { retryable: refusal.retryable });
}
