/**
 * Submit: a spec becomes a durable job. The order is the promise: open marker, inputs, job.json, ledger, plan task, answer (the other order would hide
 * an acknowledged job from a rebuild). Every step is a put-if-absent or conditional, so a repeated request finds everything. Keeps I1.
 */
import type { Stored } from '@millrace/journal';
import type { AnswerTo } from '@millrace/protocol';
import {
  type InputFile,
  type JobId,
  type JobRecord,
  type JobStatus,
  jobIdFromKey,
  type LookupFile,
  maxInputsPerRecord,
  type OpenRequest,
  type Refusal,
  type ResolvedJobSpec,
  type SubmitRequest,
  specDifferences,
  specDigest,
  stagesOf,
} from '@millrace/protocol';
import { failpoint } from '@millrace/service-kit/failpoints';
import { callbackIssues, checkSql, checkWritten, foreignOutput, recurringIssues } from './check-spec.ts';
import type { Control } from './control.ts';
import { unlessRebuilding } from './known-ledger.ts';
import { ledgerJobOf } from './ledger-job.ts';
import { readStatus } from './read-status.ts';
import { ensureJob } from './rebuild.ts';
import { refusal, specRefusal } from './refusal.ts';
import { resolveInputs, resolveLookups } from './resolve-inputs.ts';
import { withSchemas, withSchemasOf } from './schema-files.ts';

type SubmitAnswer = AnswerTo<'submit'>;
type OpenAnswer = AnswerTo<'open'>;
/** A job that is there, new or not; or why it is not. */
type Accepted = { readonly jobId: JobId; readonly replayed: boolean; readonly status: JobStatus } | Refusal;

export async function submitJob(request: SubmitRequest, control: Control): Promise<SubmitAnswer> {
  const accepted = await countedIntake(request, control);
  return 'ok' in accepted ? accepted : { ok: true, kind: 'submit', ...accepted };
}

/** The same for a job whose producer sends its chunks: it has no inputs yet. */
export async function openJobStream(request: OpenRequest, control: Control): Promise<OpenAnswer> {
  const accepted = await countedIntake(request, control);
  return 'ok' in accepted ? accepted : { ok: true, kind: 'open', ...accepted };
}

async function countedIntake(request: SubmitRequest | OpenRequest, control: Control): Promise<Accepted> {
  const accepted = await intake(request, control);
  const { metrics } = control;
  if ('ok' in accepted) metrics.recordSubmitted(accepted.code === 'KEY_CONFLICT' ? 'conflict' : 'refused');
  else metrics.recordSubmitted(accepted.replayed ? 'replayed' : 'accepted');
  return accepted;
}

async function intake(request: SubmitRequest | OpenRequest, control: Control): Promise<Accepted> {
  const { tenant, jobId, idempotencyKey } = request;
  if (idempotencyKey !== null && jobIdFromKey(tenant, idempotencyKey) !== jobId) {
    return refusal('REQUEST_INVALID', 'cannot submit job: its id is not that of tenant and key');
  }
  const isStream = request.kind === 'open';
  const checked = checkWritten(request.spec, tenant, control.connections, isStream);
  if ('issues' in checked) return specRefusal('submit job', checked.issues);
  const recurring = recurringIssues(checked.spec);
  if (recurring.length > 0) return specRefusal('submit job', recurring);
  const standing = await control.journal.readJobRecord(jobId);
  if (standing !== null) return answerStanding(standing, request, checked.spec, control);
  const whole = await withSchemas(checked.spec, tenant, control);
  if ('issues' in whole) return specRefusal('submit job', whole.issues);
  const refused = await checkOutside(whole.spec, jobId, control);
  if (refused !== null) return refused;
  const files = isStream ? [] : await resolveInputs(whole.spec, control);
  const lookups = await resolveLookups(whole.spec, control);
  return putAccepted(request, whole.spec, { files, lookups }, control);
}

async function checkOutside(spec: ResolvedJobSpec, jobId: JobId, control: Control): Promise<Refusal | null> {
  const callbacks = await callbackIssues(spec, control);
  if (callbacks.length > 0) return specRefusal('submit job', callbacks);
  const issue = await checkSql(spec, control);
  if (issue !== null) return specRefusal('submit job', [issue]);
  const foreign = await foreignOutput(spec, jobId, control);
  return foreign === null
    ? null
    : refusal('OUTPUT_NOT_EMPTY', `cannot submit job: ${spec.output.uri} already holds ${foreign}; another place, or ifNotEmpty: append`);
}

export interface Found {
  readonly files: readonly InputFile[];
  readonly lookups: readonly LookupFile[];
}

/** The durable part of a submit: nothing of the spec is judged any more. */
export async function acceptJob(request: SubmitRequest, spec: ResolvedJobSpec, found: Found, control: Control): Promise<SubmitAnswer> {
  const accepted = await putAccepted(request, spec, found, control);
  return 'ok' in accepted ? accepted : { ok: true, kind: 'submit', ...accepted };
}

async function putAccepted(request: SubmitRequest | OpenRequest, spec: ResolvedJobSpec, { files, lookups }: Found, control: Control): Promise<Accepted> {
  const { journal } = control;
  await failpoint('accept.a-b', request.jobId);
  await journal.putOpenMarker(request.jobId, 1);
  await failpoint('accept.b-c', request.jobId);
  const inputs = await putInputs(request.jobId, files, control);
  const put = await journal.putJob(jobRecord(request, spec, { ...inputs, lookups }, control));
  if (!isSameJob(put.stored.record, request, spec)) return answerStanding(put.stored, request, spec, control);
  const { record } = put.stored;
  control.metrics.knowJob(record.name);
  await failpoint('accept.c-d', record.jobId);
  const of = { generation: 1, spec: record.spec, specDigest: record.specDigest };
  const created = await unlessRebuilding(() => control.queues.ledger.createJob(ledgerJobOf(record, of, control.pool)));
  if (!record.stream) await unlessRebuilding(() => control.queues.ledger.addWork(record.jobId, 1, { kind: 'plan', first: 0 }));
  await control.queues.events.nudgeLeader(record.jobId);
  if (created) control.log.info({ jobId: record.jobId, files: record.inputFiles, bytes: record.inputBytes }, 'job accepted');
  const status = await readStatus(record.jobId, control);
  if (status === null) return refusal('INTERNAL', 'cannot submit job: the accepted job is not there');
  return { jobId: record.jobId, replayed: put.outcome === 'lost', status };
}

function streamOf(request: SubmitRequest | OpenRequest): { sealTimeLimitMs: number } | null {
  return request.kind === 'open' ? { sealTimeLimitMs: request.sealTimeLimitMs } : null;
}

function isSameJob(record: JobRecord, request: SubmitRequest | OpenRequest, spec: ResolvedJobSpec): boolean {
  return record.specDigest === specDigest(spec) && record.stream?.sealTimeLimitMs === streamOf(request)?.sealTimeLimitMs;
}

/** A job with this id is durable: the same spec makes it the same job, whatever its state. */
async function answerStanding(standing: Stored<'job'>, request: SubmitRequest | OpenRequest, asked: ResolvedJobSpec, control: Control): Promise<Accepted> {
  const { jobId, stream } = standing.record;
  const spec = withSchemasOf(asked, standing.record.spec);
  if (!isSameJob(standing.record, request, spec)) {
    const limits = { first: stream?.sealTimeLimitMs ?? null, now: streamOf(request)?.sealTimeLimitMs ?? null };
    const differences = [...specDifferences(standing.record.spec, spec), ...(limits.first === limits.now ? [] : [{ pointer: '/sealTimeLimit', ...limits }])];
    const named = differences
      .map(({ pointer }) => pointer)
      .slice(0, 5)
      .join(', ');
    return { ...refusal('KEY_CONFLICT', `cannot submit job: the idempotency key belongs to a job with another spec (${named})`), jobId, differences };
  }
  await unlessRebuilding(() => ensureJob(jobId, control));
  const status = await readStatus(jobId, control);
  if (status === null) return refusal('INTERNAL', `cannot submit job: ${jobId} is not readable`);
  return { jobId, replayed: true, status };
}

interface PutInputs {
  readonly inputs: JobRecord['inputs'];
  readonly files: number;
  readonly bytes: number;
}

/** Each record begins behind the end of the one before; where another put came first, its files stand and ours go on behind them. */
async function putInputs(jobId: JobId, files: readonly InputFile[], control: Control): Promise<PutInputs> {
  const inputs: JobRecord['inputs'] = [];
  let first = 0;
  let bytes = 0;
  for (let segment = 0; first < files.length; segment++) {
    const some = files.slice(first, first + maxInputsPerRecord);
    const { stored } = await control.journal.putInputs({ record: 'inputs', version: 1, jobId, segment, first, files: some });
    inputs.push({ key: stored.key, digest: stored.digest, first: stored.record.first, count: stored.record.files.length });
    bytes += stored.record.files.reduce((sum, file) => sum + file.size, 0);
    first = stored.record.first + stored.record.files.length;
  }
  return { inputs, files: first, bytes };
}

function jobRecord(request: SubmitRequest | OpenRequest, spec: ResolvedJobSpec, put: PutInputs & Pick<Found, 'lookups'>, control: Control): JobRecord {
  const stages = stagesOf(spec).map(({ name, kind }) => ({ name, kind }));
  return {
    record: 'job',
    version: 1,
    jobId: request.jobId,
    tenant: request.tenant,
    name: spec.name,
    idempotencyKey: request.idempotencyKey,
    acceptedAt: control.clock.nowIso(),
    resultVersion: control.resultVersion,
    specDigest: specDigest(spec),
    spec,
    stage: stages[0]?.name ?? 'read',
    stages,
    lookups: [...put.lookups],
    inputs: put.inputs,
    inputFiles: put.files,
    inputBytes: put.bytes,
    stream: streamOf(request),
  };
}
