/** Recurring jobs over HTTP: read from the registry, put and steered by the scheduler. */
import type { ScheduleSummary, scheduleRoutes } from '@millrace/api-contract';
import type { AuditPlace, Registered } from '@millrace/journal';
import { resolveJobSpec, type Schedule, upcomingFires } from '@millrace/protocol';
import type { Api } from '../api.ts';
import { ask } from '../ask.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { badRequest } from '../steering/bad-request.ts';
import { registryLook } from '../steering/registry-look.ts';
import { whichTenant } from '../steering/which-tenant.ts';

const shownFires = 5;

export const scheduleHandlers: HandlersOf<typeof scheduleRoutes> = {
  'GET /schedules': async ({ query, caller }, api) => {
    const found = (await allSchedules(caller, api)).filter(({ body }) => query.tenant === undefined || body.tenant === query.tenant);
    const data = await Promise.all(found.map((one) => summaryOf(one, api)));
    return { status: 200, body: { data, nextCursor: null, total: data.length } };
  },
  'GET /schedules/{name}': async ({ params, query, caller }, api) => {
    const found = await requireSchedule(params.name, query.tenant, caller, api);
    return { status: 200, body: await withSpec(found, api), etag: String(found.number) };
  },
  'PUT /schedules/{name}': async ({ params, body, caller, ifMatch, signal, audit }, api) => {
    const spec = resolveJobSpec(body.spec as never);
    if (spec.name !== params.name) throw badRequest('/spec/name', `expected ${params.name}, the name in the path, got ${spec.name}`);
    const { tenant } = spec.execution;
    if (!mayReach(caller, tenant)) throw new ApiProblem('SPEC_TENANT_DENIED', `${caller.by} may not act for tenant ${tenant}`);
    const standing = await readSchedule(tenant, params.name, api);
    if (standing !== null) checkVersion(standing, ifMatch);
    await ask(api, { caller, tenant, signal, audit }, { kind: 'putSchedule', spec, reason: body.reason });
    registryLook(api).forget('schedules');
    const found = await requireSchedule(params.name, tenant, caller, api);
    return { status: standing === null ? 201 : 200, body: await withSpec(found, api), etag: String(found.number), object: `schedule:${tenant}.${params.name}` };
  },
  'DELETE /schedules/{name}': async ({ params, query, caller, ifMatch, signal, audit }, api) => {
    const found = await requireSchedule(params.name, query.tenant, caller, api);
    if (api.settings.environment === 'production' && query.reason.trim() === '') {
      const issue = { pointer: '/query/reason', code: 'REASON_REQUIRED', message: 'expected a reason' };
      throw new ApiProblem('REASON_REQUIRED', 'this installation is marked production: every act needs a reason', { issues: [issue] });
    }
    checkVersion(found, ifMatch);
    await ask(api, { caller, tenant: found.body.tenant, signal, audit }, { kind: 'steerSchedule', name: params.name, act: 'remove', reason: query.reason });
    registryLook(api).forget('schedules');
    return { status: 204, body: null, object: `schedule:${found.body.tenant}.${params.name}` };
  },
  'POST /schedules/{name}/fire': async ({ params, query, body, caller, signal, audit }, api) => {
    const summary = await steer(params.name, query.tenant, 'fire', body.reason, { caller, signal, audit }, api);
    return { status: 202, body: summary };
  },
  'POST /schedules/{name}/pause': async ({ params, query, body, caller, signal, audit }, api) => {
    const summary = await steer(params.name, query.tenant, 'pause', body.reason, { caller, signal, audit }, api);
    return { status: 200, body: summary };
  },
  'POST /schedules/{name}/resume': async ({ params, query, body, caller, signal, audit }, api) => {
    const summary = await steer(params.name, query.tenant, 'resume', body.reason, { caller, signal, audit }, api);
    return { status: 200, body: summary };
  },
};

async function steer(
  name: string,
  tenant: string | undefined,
  act: 'fire' | 'pause' | 'resume',
  reason: string,
  who: { readonly caller: Caller; readonly signal: AbortSignal; readonly audit: AuditPlace | null },
  api: Api,
): Promise<ScheduleSummary> {
  const found = await requireSchedule(name, tenant, who.caller, api);
  await ask(api, { ...who, tenant: found.body.tenant }, { kind: 'steerSchedule', name, act, reason });
  registryLook(api).forget('schedules');
  return summaryOf(await requireSchedule(name, found.body.tenant, who.caller, api), api);
}

type Found = Registered<'schedules'>;

export async function allSchedules(caller: Caller, api: Api): Promise<Found[]> {
  const found: Found[] = [];
  for await (const name of api.journal.listRegistered('schedules')) {
    const stored = await api.journal.readRegistered('schedules', name);
    if (stored !== null && !stored.removed && mayReach(caller, stored.body.tenant)) found.push(stored);
  }
  return found;
}

/** Null: there is none, or it was taken out. */
async function readSchedule(tenant: string, name: string, api: Api): Promise<Found | null> {
  const stored = await api.journal.readRegistered('schedules', `${tenant}.${name}`);
  return stored === null || stored.removed ? null : stored;
}

/** Throws `NOT_FOUND`, in the same words for another tenant's; `REQUEST_INVALID` when several tenants have one of this name. */
async function requireSchedule(name: string, said: string | undefined, caller: Caller, api: Api): Promise<Found> {
  const isOne = said !== undefined || caller.tenants?.length === 1;
  const named = isOne ? [] : (await allSchedules(caller, api)).filter(({ body }) => body.name === name);
  const tenant = whichTenant(
    caller,
    said,
    named.map(({ body }) => body.tenant),
    '/query/tenant',
  );
  const found = await readSchedule(tenant, name, api);
  if (found === null) throw new ApiProblem('NOT_FOUND', `cannot find schedule ${name}`);
  return found;
}

function checkVersion({ number, body }: Found, ifMatch: string | null): void {
  if (ifMatch === String(number)) return;
  const looked = ifMatch === null ? 'no version was named in If-Match' : `version ${ifMatch} was looked at`;
  throw new ApiProblem('ETAG_MISMATCH', `cannot change schedule ${body.name}: ${looked}, version ${number} stands`, { details: { version: number } });
}

async function withSpec(found: Found, api: Api) {
  return { ...(await summaryOf(found, api)), spec: found.body.spec as unknown as Record<string, unknown> };
}

async function summaryOf({ body, number, at, by, reason }: Found, api: Api): Promise<ScheduleSummary> {
  const { tenant, name, spec, paused } = body;
  const { schedule } = spec;
  return {
    tenant,
    name,
    version: number,
    cron: schedule?.cron ?? '',
    timezone: schedule?.timezone ?? 'UTC',
    overlap: schedule?.overlap ?? 'skip',
    catchUp: schedule?.catchUp ?? 'last',
    paused: paused || schedule?.paused === true,
    next: upcomingFires(body, api.clock.nowMs(), shownFires),
    runs: await Promise.all(body.runs.map((run) => runView(run, api))),
    missed: body.runs.filter(({ outcome }) => outcome === 'missed').length,
    changedAt: at,
    changedBy: by,
    reason,
  };
}

/** The state of a run's job as the list of jobs has it. */
async function runView(run: Schedule['runs'][number], api: Api): Promise<ScheduleSummary['runs'][number]> {
  if (run.jobId === null) return { ...run, jobState: null };
  const record = await api.jobs.record(run.jobId);
  return { ...run, jobState: record === null ? null : (await api.jobs.status(record)).status.state };
}
