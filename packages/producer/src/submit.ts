/** Validates, derives the job's id, asks for intake and waits for the acknowledgement that was asked. */
import {
  assertAvailable,
  availabilityIssues,
  SpecError as IssuesError,
  type JobId,
  type JobSpecInput,
  jobIdFromKey,
  newJobId,
  type ResolvedJobSpec,
  resolveJobSpec,
  streamAvailabilityIssues,
} from '@millrace/protocol';
import { ask, type CallOptions, type Connection, type Duration, durationMs, send } from './connection.ts';
import { AckTimeoutError, MillraceError, SpecError } from './errors.ts';

export interface SubmitOptions extends CallOptions {
  /** 1 to 255 printable characters. Same key and same spec: the same job, for as long as its history is kept. */
  readonly idempotencyKey?: string;
  /** `journal` (default): the job is durable. `queue`: Redis has the request; a total loss of Redis before intake loses it. */
  readonly ack?: 'journal' | 'queue';
  readonly params?: Readonly<Record<string, string | number | boolean | null>>;
}

export interface Submitted {
  readonly jobId: JobId;
  readonly replayed: boolean;
}

/** The spec with every default filled in; throws `SpecError` with every issue. Needs no connection. */
export function validate(spec: unknown, params: SubmitOptions['params'] = {}): ResolvedJobSpec {
  try {
    const resolved = resolveJobSpec(spec as JobSpecInput, { params });
    assertAvailable(resolved);
    return resolved;
  } catch (error) {
    if (error instanceof IssuesError) throw new SpecError(error.issues);
    throw error;
  }
}

/** The spec of a stream: its one input says how to read; what is read the chunks say. */
export type StreamSpec = Omit<JobSpecInput, 'inputs'> & {
  readonly inputs: Omit<Exclude<JobSpecInput['inputs'], string | readonly unknown[]>, 'uri' | 'list' | 'expect'>;
  /** A stream without a new chunk for so long fails; `24h` when not given. */
  readonly sealTimeLimit?: Duration;
};

const SEAL_TIME_LIMIT = '24h';

function validateStream(spec: Omit<StreamSpec, 'sealTimeLimit'>, params: SubmitOptions['params'] = {}): ResolvedJobSpec {
  try {
    const resolved = resolveJobSpec(spec, { params, isStream: true });
    const issues = [...availabilityIssues(resolved), ...streamAvailabilityIssues(resolved)];
    if (issues.length > 0) throw new IssuesError(issues);
    return resolved;
  } catch (error) {
    if (error instanceof IssuesError) throw new SpecError(error.issues);
    throw error;
  }
}

/** A job whose chunks are sent by `enqueueChunks`. */
export async function openStream(connection: Connection, { sealTimeLimit = SEAL_TIME_LIMIT, ...spec }: StreamSpec, options: SubmitOptions): Promise<Submitted> {
  const { idempotencyKey } = options;
  checkKey(idempotencyKey);
  if (options.ack === 'queue')
    throw new MillraceError('REQUEST_INVALID', 'cannot open a stream: it is acknowledged when it is durable, ack: queue is for submit');
  const resolved = validateStream(spec, options.params);
  const { tenant, ids } = connection;
  const jobId = idempotencyKey === undefined ? newJobId(ids) : jobIdFromKey(tenant, idempotencyKey);
  const sealTimeLimitMs = durationMs(sealTimeLimit);
  if (sealTimeLimitMs < 1_000)
    throw new MillraceError('REQUEST_INVALID', `cannot open a stream: expected a sealTimeLimit of at least 1s, got ${sealTimeLimit}`);
  const body = { kind: 'open', jobId, idempotencyKey: idempotencyKey ?? null, spec: resolved, sealTimeLimitMs } as const;
  const answer = await ask(connection, body, options, () => new AckTimeoutError(jobId, unknownMessage(jobId)));
  return { jobId: answer.jobId, replayed: answer.replayed };
}

export async function submitJob(connection: Connection, spec: unknown, options: SubmitOptions): Promise<Submitted> {
  const { idempotencyKey } = options;
  checkKey(idempotencyKey);
  const resolved = validate(spec, options.params);
  const { tenant, ids } = connection;
  const jobId = idempotencyKey === undefined ? newJobId(ids) : jobIdFromKey(tenant, idempotencyKey);
  const body = { kind: 'submit', jobId, idempotencyKey: idempotencyKey ?? null, spec: resolved } as const;
  if (options.ack === 'queue') {
    await send(connection, body, options);
    return { jobId, replayed: false };
  }
  const answer = await ask(connection, body, options, () => new AckTimeoutError(jobId, unknownMessage(jobId)));
  return { jobId: answer.jobId, replayed: answer.replayed };
}

function checkKey(key: string | undefined): void {
  if (key === undefined || /^[\x20-\x7e]{1,255}$/.test(key)) return;
  const got = key.length < 1 || key.length > 255 ? `${key.length} characters` : 'one with other characters';
  throw new MillraceError('REQUEST_INVALID', `cannot submit job: expected an idempotency key of 1 to 255 printable ASCII characters, got ${got}`);
}

const unknownMessage = (jobId: JobId): string =>
  `no scheduler answered in time: whether job ${jobId} was accepted is unknown. Submit again with the same idempotency key, or look at job(${JSON.stringify(jobId)})`;
