/** Whatever was thrown as the problem that a caller is answered. Pure. Nobody is told a stack, a path of this machine, or the cause of a fault of ours. */
import { type Problem, type ProblemIssue, pageOfCode, statusOf, titleOf } from '@millrace/api-contract';
import { classOf, type FailureCode, FilterError, isFailureCode, type Refusal, SpecError, type SpecIssue } from '@millrace/protocol';
import { AnswerTimeoutError, EpochUnknownError, isRedisFault, RedisUnsuitableError } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';

/** A refusal with what a caller can use: places in the request, facts by code, headers. */
export class ApiProblem extends AppError {
  override readonly name = 'ApiProblem';
  readonly issues: readonly ProblemIssue[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: FailureCode,
    message: string,
    more: { issues?: readonly ProblemIssue[]; details?: Readonly<Record<string, unknown>>; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(code, message, { details: more.details ?? {} });
    this.issues = more.issues ?? [];
    this.headers = more.headers ?? {};
  }
}

export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly problem: Problem;
  /** Ours: a person must look. */
  readonly isFault: boolean;
}

export interface ProblemContext {
  readonly requestId: string;
  readonly traceId: string | null;
}

export function problemOf(thrown: unknown, context: ProblemContext): ProblemAnswer {
  const known = knownProblem(thrown);
  const { code, message, issues, details, headers } = known ?? unforeseen;
  const status = statusOf(code);
  const retryable = status === 429 || status === 503;
  const retryAfter: Record<string, string> = retryable ? { 'retry-after': headers['retry-after'] ?? (status === 503 ? '2' : '10') } : {};
  const problem: Problem = {
    type: pageOfCode(code),
    title: titleOf(code),
    status,
    code,
    detail: message,
    retryable,
    requestId: context.requestId,
    ...(context.traceId === null ? {} : { traceId: context.traceId }),
    ...(issues.length === 0 ? {} : { errors: [...issues] }),
    ...(Object.keys(details).length === 0 ? {} : { details: { ...details } }),
  };
  return { status, headers: { ...headers, ...retryAfter }, problem, isFault: status >= 500 && status !== 503 };
}

type Known = Pick<ApiProblem, 'code' | 'message' | 'issues' | 'details' | 'headers'>;

const plain = (code: FailureCode, message: string, issues: readonly ProblemIssue[] = []): Known => ({ code, message, issues, details: {}, headers: {} });
const unforeseen = plain('INTERNAL', 'something unforeseen happened; the log of the server has it under this request id');

/** Null: a fault of ours, whose words are not for callers. */
function knownProblem(thrown: unknown): Known | null {
  if (thrown instanceof ApiProblem) return thrown;
  if (thrown instanceof SpecError) return specProblem(thrown.issues);
  if (thrown instanceof FilterError) return filterProblem(thrown);
  if (thrown instanceof EpochUnknownError) return plain('REBUILDING', 'the ledger is being rebuilt from the journal');
  if (thrown instanceof AnswerTimeoutError)
    return plain('BUSY', 'no scheduler answered in time: whether it was done is unknown; ask again with the same idempotency key');
  if (thrown instanceof RedisUnsuitableError || isRedisFault(thrown)) return plain('BUSY', 'Redis is away: pages are read from the journal, acts must wait');
  if (!(thrown instanceof AppError)) return null;
  // What stores and cores say names places of ours: its title must do. A failure of work, such as a file that is not there, is no word about this call.
  if (statusOf(thrown.code) === 503) return plain(thrown.code, titleOf(thrown.code));
  return classOf(thrown.code) === null && statusOf(thrown.code) !== 500 ? plain(thrown.code, thrown.message) : null;
}

function filterProblem(error: FilterError): Known {
  const issue = { pointer: '/query/q', code: error.code, message: error.message, ...(error.suggestion === null ? {} : { suggestion: error.suggestion }) };
  return plain('FILTER_INVALID', error.message, [issue]);
}

function specProblem(issues: readonly SpecIssue[]): Known {
  const count = issues.length === 1 ? '1 field of the job spec is wrong' : `${issues.length} fields of the job spec are wrong`;
  return plain(issues[0]?.code ?? 'SPEC_BAD_VALUE', count, specIssues(issues));
}

/** With their places in the body of a request. */
export function specIssues(issues: readonly SpecIssue[]): ProblemIssue[] {
  return issues.map(({ pointer, code, message, suggestion }) => ({
    pointer: `/spec${pointer}`,
    code,
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  }));
}

/** What the scheduler refused, as the problem it stands for. */
export function refused(refusal: Refusal): ApiProblem {
  const { code, message, issues, jobId, differences, state } = refusal;
  if (issues !== undefined && issues.length > 0) {
    const known = specProblem(issues);
    return new ApiProblem(known.code, known.message, { issues: known.issues });
  }
  const details = {
    ...(jobId === undefined ? {} : { jobId }),
    ...(differences === undefined ? {} : { differences }),
    ...(state === undefined ? {} : { state }),
  };
  if (code === 'LEDGER_REBUILDING') return new ApiProblem('REBUILDING', 'the ledger is being rebuilt from the journal');
  // A place that the caller may not name is refused for good; a journal that is shut out is not the caller's fault, and the job may stand.
  if (code === 'STORAGE_FORBIDDEN' && refusal.retryable)
    return new ApiProblem('BUSY', 'the journal cannot be written: whether it was done is unknown; ask again with the same idempotency key', { details });
  return new ApiProblem(isFailureCode(code) ? code : 'INTERNAL', message, { details });
}
