/** Jobs: submit, list, read, steer. What changes a job is asked of the scheduler; what is read comes from the ledger or the journal. */
import { type Job, type JobSummary, jobFields, type jobRoutes, type Sent } from '@millrace/api-contract';
import { manifestKey, newestGeneration, resultOf, shownFiles, statusOfManifest } from '@millrace/journal';
import {
  assertAvailable,
  type BudgetSums,
  budgetUses,
  checkJobSpec,
  type FieldOf,
  isTerminalJobState,
  type JobRecord,
  type JobStatus,
  jobIdFromKey,
  type Manifest,
  matchesFilter,
  newJobId,
  newRequestId,
  type Params,
  parseDuration,
  parseFilter,
  type ResolvedJobSpec,
  SpecError,
  wordsField,
} from '@millrace/protocol';
import { z } from 'zod';
import type { Api } from '../api.ts';
import { ask } from '../ask.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { type IndexedJob, positionOf } from '../job-index.ts';
import { ApiProblem } from '../problem.ts';

type Handlers = HandlersOf<typeof jobRoutes>;

export const jobHandlers: Handlers = {
  'POST /jobs': async ({ body, caller, idempotencyKey, signal }, api) => {
    const spec = acceptedSpec(body.spec, body.params, caller);
    const { tenant } = spec.execution;
    const jobId = idempotencyKey === null ? newJobId(api.ids) : jobIdFromKey(tenant, idempotencyKey);
    const asked = { kind: 'submit', jobId, idempotencyKey, spec } as const;
    const around = { headers: { location: `/v1/jobs/${jobId}` }, object: `job:${jobId}` };
    if (body.ack === 'queue') {
      await api.redis.queues().requests.send({ ...asked, requestId: newRequestId(api.ids), tenant, by: caller.by });
      return { status: 202, body: { jobId, state: 'accepted', generation: 1, replayed: false }, ...around };
    }
    const { replayed, status } = await ask(api, { caller, tenant, signal }, asked);
    api.index.note(jobId);
    const answer = { jobId, state: status.state, generation: status.generation, replayed };
    if (!replayed) return { status: 202, body: answer, ...around };
    return { status: 200, body: answer, ...around, headers: { ...around.headers, 'idempotency-replayed': 'true' } };
  },

  'GET /jobs': async ({ query: { q, limit, cursor }, caller }, api) => {
    const filter = parseFilter(q, jobFields);
    const list = `jobs ${filter.text}`;
    const before = cursor === undefined ? null : api.cursors.read(list, cursor, z.string());
    const nowMs = api.clock.nowMs();
    const all = await api.index.all();
    const matching = all.filter((job) => mayReach(caller, job.record.tenant) && matchesFilter(filter, jobItem(job), nowMs));
    const rest = before === null ? matching : matching.filter((job) => positionOf(job) < before);
    const page = rest.slice(0, limit);
    const last = rest.length > limit ? page.at(-1) : undefined;
    const nextCursor = last === undefined ? null : api.cursors.write(list, positionOf(last));
    return { status: 200, body: { data: page.map(summaryOf), nextCursor, total: matching.length, filter: filter.text } };
  },

  'GET /jobs/{jobId}': async ({ params: { jobId }, caller }, api) => {
    const record = await api.jobs.require(jobId, caller);
    return { status: 200, body: await jobOf(record, api) };
  },

  'GET /jobs/{jobId}/result': async ({ params: { jobId }, query, caller, signal }, api) => {
    const record = await api.jobs.require(jobId, caller);
    const status = await statusWithin(record, parseDuration(query.wait) ?? 0, signal, api);
    const { state, generation, failure } = status;
    if (!isTerminalJobState(state)) return { status: 202, body: { jobId, state, generation } };
    if (state === 'completed') {
      const manifest = await requireManifest(record, generation, api);
      const files = await api.journal.firstOfManifest(manifest, 'files', shownFiles);
      return { status: 200, body: resultOf(manifest, `${api.settings.journalUri}/${manifestKey(jobId, generation)}`, files) };
    }
    const code = state === 'failed' ? 'JOB_FAILED' : 'JOB_CANCELLED';
    const why = failure === null ? '' : `: ${failure.message}`;
    throw new ApiProblem(code, `job ${jobId} ${state === 'failed' ? 'failed' : 'was cancelled'}${why}`, {
      details: { jobId, generation, failure, groups: await topGroups(record, api) },
    });
  },

  'GET /jobs/{jobId}/spec': async ({ params: { jobId }, caller }, api) => {
    const record = await api.jobs.require(jobId, caller);
    const { spec, specDigest, generation } = await api.jobs.spec(record);
    const pins = await api.journal.readPins(jobId);
    const found = { spec: { ...spec }, specDigest, generation, pins: pins === null ? null : { ...pins.record }, pinsDigest: pins?.digest ?? null };
    return { status: 200, body: found };
  },

  'GET /jobs/{jobId}/manifest': async ({ params: { jobId }, query, caller }, api) => {
    const record = await api.jobs.require(jobId, caller);
    const manifest = await requireManifest(record, query.generation ?? null, api);
    if (query.page === undefined) return { status: 200, body: { ...manifest } };
    const page = manifest.pages?.find(({ name }) => name === query.page);
    if (page === undefined) throw new ApiProblem('NOT_FOUND', `the manifest of job ${jobId} has no page ${query.page}: its pages are those that it names`);
    return { status: 200, body: JSON.parse(new TextDecoder().decode(await api.journal.readManifestPage(manifest, page))) };
  },

  'POST /jobs/{jobId}/pause': (call, api) => steer('pause', call, api),
  'POST /jobs/{jobId}/resume': (call, api) => steer('resume', call, api),
  'POST /jobs/{jobId}/cancel': (call, api) => steer('cancel', call, api),
};

type SteerCall = Parameters<Handlers['POST /jobs/{jobId}/pause']>[0];

async function steer(
  command: 'pause' | 'resume' | 'cancel',
  { params: { jobId }, body, caller, signal, audit }: Pick<SteerCall, 'params' | 'body' | 'caller' | 'signal' | 'audit'>,
  api: Api,
) {
  const { tenant } = await api.jobs.require(jobId, caller);
  const { status, number } = await ask(api, { caller, tenant, signal, audit }, { kind: 'command', jobId, command, reason: body.reason });
  api.index.note(jobId);
  return { status: 202, body: { jobId, state: status.state, generation: status.generation }, after: { command: number, state: status.state } } as const;
}

// Submit

/** Throws `SpecError` with every issue, pointing into the spec as it was sent; `SPEC_TENANT_DENIED` for a tenant that the caller does not reach. */
export function acceptedSpec(written: Readonly<Record<string, unknown>>, params: Params | undefined, caller: Caller): ResolvedJobSpec {
  const checked = checkJobSpec(withTenant(written, caller), { params });
  if ('issues' in checked) throw new SpecError(checked.issues);
  const { spec } = checked;
  assertAvailable(spec);
  if (spec.schedule !== null) {
    throw new SpecError([{ pointer: '/schedule', code: 'SPEC_SCHEDULE_HERE', message: 'a schedule makes jobs and is none: PUT /v1/schedules/{name}' }]);
  }
  const { tenant } = spec.execution;
  if (mayReach(caller, tenant)) return spec;
  const message = `expected one of ${caller.tenants?.join(', ')}, got ${tenant}`;
  throw new SpecError([{ pointer: '/execution/tenant', code: 'SPEC_TENANT_DENIED', message }]);
}

/** Who acts for one tenant alone need not say for which. */
function withTenant(written: Readonly<Record<string, unknown>>, { tenants }: Caller): Record<string, unknown> {
  const { execution = {} } = written;
  const only = tenants?.length === 1 ? tenants[0] : undefined;
  if (only === undefined || typeof execution !== 'object' || execution === null || Array.isArray(execution) || 'tenant' in execution) return { ...written };
  return { ...written, execution: { ...execution, tenant: only } };
}

// Lists

/** Of very many jobs only what a filter asks for is made. */
function jobItem({ record, labels, status, endedAt }: IndexedJob): FieldOf {
  return (field) => {
    switch (field) {
      case 'id':
      case 'job':
        return record.jobId;
      case 'name':
      case 'tenant':
        return record[field];
      case 'state':
        return status.state;
      case 'code':
        return status.failure?.code ?? null;
      case 'age':
      case 'created':
        return record.acceptedAt;
      case 'finished':
        return endedAt;
      case 'bytes':
        return status.bytes.total;
      case 'records':
        return status.balance.recordsIn;
      case 'rejected':
        return status.balance.rejected;
      case 'dead':
        return status.chunks.dead;
      case 'priority':
        return record.spec.execution.priority;
      case wordsField:
        return [record.jobId, record.name, status.failure?.message ?? ''];
      default:
        return field.startsWith('label.') && Object.hasOwn(labels, field.slice(6)) ? labels[field.slice(6)] : null;
    }
  };
}

function summaryOf({ record, labels, status, endedAt, durationMs }: IndexedJob): Sent<JobSummary> {
  const { stages: _, ...shown } = status;
  return { ...shown, tenant: record.tenant, labels, acceptedAt: record.acceptedAt, endedAt, durationMs };
}

// One job

async function jobOf(record: JobRecord, api: Api): Promise<Sent<Job>> {
  const { jobId } = record;
  const { status, source } = await api.jobs.status(record);
  const { spec, specDigest } = await api.jobs.spec(record);
  const manifest = isTerminalJobState(status.state) ? ((await api.journal.readManifest(jobId, status.generation))?.record ?? null) : null;
  // The manifest is the last word of what ended; the ledger forgets a job after a day.
  const shown = manifest === null ? status : { ...status, ...statusOfManifest(record, manifest) };
  return {
    ...shown,
    tenant: record.tenant,
    labels: spec.labels,
    acceptedAt: record.acceptedAt,
    endedAt: manifest?.endedAt ?? null,
    durationMs: manifest?.durationMs ?? null,
    description: spec.description ?? null,
    idempotencyKey: record.idempotencyKey,
    resultVersion: record.resultVersion,
    specDigest,
    inputs: { files: record.inputFiles, bytes: record.inputBytes },
    outputUri: spec.output.uri,
    rejectsUri: spec.rejects.uri,
    priority: spec.execution.priority,
    budgets: await budgetsOf(record, shown, spec, manifest, api),
    source: manifest === null ? source : 'journal',
  };
}

async function budgetsOf(record: JobRecord, status: JobStatus, spec: ResolvedJobSpec, manifest: Manifest | null, api: Api): Promise<Sent<Job['budgets']>> {
  const sums = manifest === null ? await sumsOfLedger(record, status, api) : await sumsOfManifest(record, manifest, api);
  if (sums === null) return [];
  return budgetUses(sums, spec).map(({ budget, subject, value, of, limit }) => ({ budget, subject, value, of, limit }));
}

async function sumsOfManifest(record: JobRecord, manifest: Manifest, api: Api): Promise<BudgetSums> {
  const { balance, byCode, byColumn, chunks } = manifest;
  const files: { uri: string; recordsIn: number; rejected: number }[] = [];
  for await (const { uri, balance } of api.journal.listManifest(manifest, 'files'))
    files.push({ uri, recordsIn: balance.recordsIn, rejected: balance.rejected });
  const dead = { deadChunks: chunks.dead, deadBytes: balance.unreadBytes, plannedBytes: record.inputBytes };
  return { recordsIn: balance.recordsIn, rejected: balance.rejected, byCode, byColumn, files, inferred: [], ...dead };
}

/** Null while Redis is away: nobody else knows what is used of a job that runs. */
async function sumsOfLedger(record: JobRecord, { balance, chunks, bytes, sealed }: JobStatus, api: Api): Promise<BudgetSums | null> {
  const rejects = await api.jobs.fromRedis((queues) => queues.ledger.rejects(record.jobId));
  if (rejects === null) return null;
  const { byCode, byColumn } = rejects;
  const dead = { deadChunks: chunks.dead, deadBytes: balance.unreadBytes, plannedBytes: sealed ? bytes.total : null };
  // Names of files stand in the journal; a page that asks for files has them.
  return { recordsIn: balance.recordsIn, rejected: balance.rejected, byCode, byColumn, files: [], inferred: [], ...dead };
}

const lookEveryMs = 2_000;

/** The status once it is terminal, or when the time is over. Woken by events; looks by itself too, for those may be lost and Redis may be away. */
async function statusWithin(record: JobRecord, waitMs: number, signal: AbortSignal, api: Api): Promise<JobStatus> {
  const untilMs = api.clock.monotonicMs() + waitMs;
  for (;;) {
    const { status } = await api.jobs.status(record);
    const leftMs = untilMs - api.clock.monotonicMs();
    if (isTerminalJobState(status.state) || leftMs <= 0 || signal.aborted) return status;
    await nextEvent(record, Math.min(leftMs, lookEveryMs), signal, api);
  }
}

async function nextEvent({ tenant, jobId }: JobRecord, withinMs: number, signal: AbortSignal, api: Api): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const event = api.jobs.fromRedis(async (queues) => {
    for await (const { type } of queues.events.watch(tenant, jobId, { signal: either })) if (type === 'state') return true;
    return null;
  });
  const late = api.clock.sleep(withinMs, either).catch(() => undefined);
  // Without Redis there is nothing to wake: then only the time counts.
  await Promise.race([event.then((heard) => (heard === null ? late : undefined)), late]);
  stop.abort();
}

async function requireManifest({ jobId }: JobRecord, generation: number | null, api: Api): Promise<Manifest> {
  const stored = generation === null ? await newestManifest(jobId, api) : await api.journal.readManifest(jobId, generation);
  if (stored === null) throw new ApiProblem('NOT_FOUND', `job ${jobId} has no manifest${generation === null ? '' : ` of generation ${generation}`} yet`);
  return stored.record;
}

async function newestManifest(jobId: JobRecord['jobId'], api: Api) {
  const commands = await api.journal.readCommands(jobId);
  return (await api.journal.readManifest(jobId, newestGeneration(commands))) ?? api.journal.readNewestManifest(jobId);
}

const shownGroups = 5;

/** The most frequent causes, where the ledger still knows them. */
async function topGroups({ jobId }: JobRecord, api: Api) {
  const groups = (await api.jobs.fromRedis((queues) => queues.ledger.groups(jobId))) ?? [];
  const ranked = [...groups].sort((a, b) => b.failures - a.failures).slice(0, shownGroups);
  return ranked.map(({ fingerprint, code, failures, dead }) => ({ fingerprint, code, failures, dead }));
}
