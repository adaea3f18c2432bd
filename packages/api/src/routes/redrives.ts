/** Redrives over HTTP: the dry run is made by the scheduler, plans are read from the registry. */
import type { PlanBody, redriveRoutes } from '@millrace/api-contract';
import { isJobId, letterFields, operationIdOf } from '@millrace/protocol';
import { z } from 'zod';
import type { Api } from '../api.ts';
import { ask } from '../ask.ts';
import { type Caller, mayAct, mayReach } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { badRequest, checkFilter } from '../steering/bad-request.ts';
import { operationsOf, operationView, requireOperation } from '../steering/operations-reader.ts';
import { jobOfItem, planItems, planView, requireLivePlan, requirePlan } from '../steering/plans.ts';
import { unchangedSet } from '../steering/replay-sets.ts';
import { whichTenant } from '../steering/which-tenant.ts';

const position = z.int().min(0);
const jobFields = { id: 'text', job: 'text', name: 'text', state: 'text', created: 'instant', age: 'age' } as const;

export const redriveHandlers: HandlersOf<typeof redriveRoutes> = {
  'POST /redrives/plans': async ({ body, caller, signal }, api) => {
    const tenant = await tenantOf(body, caller, api);
    const { target, overrides = {} } = body;
    if (target === 'rejects') {
      if (!mayAct(caller.role, 'steward')) throw new ApiProblem('AUTH_FORBIDDEN', `rejects are replayed by a steward, ${caller.by} has ${caller.role}`);
      const { plan } = await ask(api, { caller, tenant, signal }, { kind: 'planReplay', ...(await replayOf(body, caller, api)), overrides });
      return { status: 201, body: planView(plan, null), object: `plan:${plan.planId}` };
    }
    const asked = { kind: 'planRedrive', target, ...selectionOf(body, target === 'jobs' ? jobFields : letterFields), overrides } as const;
    const { plan } = await ask(api, { caller, tenant, signal }, asked);
    return { status: 201, body: planView(plan, null), object: `plan:${plan.planId}` };
  },
  'GET /redrives/plans/{planId}': async ({ params, caller }, api) => {
    const { plan, started } = await requireLivePlan(params.planId, caller, api);
    return { status: 200, body: planView(plan, started === null ? null : operationIdOf(plan.planId)) };
  },
  'GET /redrives/plans/{planId}/items': async ({ params, query, caller }, api) => {
    const { plan } = await requireLivePlan(params.planId, caller, api);
    const list = `plan-items ${plan.planId}`;
    const from = query.cursor === undefined ? 0 : api.cursors.read(list, query.cursor, position);
    const ids = await planItems(plan, from, query.limit, api);
    const next = from + ids.length < plan.confirm && ids.length > 0 ? api.cursors.write(list, from + ids.length) : null;
    return { status: 200, body: { data: ids.map((id) => ({ id, jobId: jobOfItem(id) as never })), nextCursor: next, total: plan.confirm } };
  },
  'POST /redrives': async ({ body, caller, idempotencyKey, signal, audit }, api) => {
    const plan = await requirePlan(body.planId, caller, api);
    if (plan.target === 'waiveDeadLetters') throw badRequest('/planId', 'expected a plan of a redrive; this one is a waiver: POST /v1/waivers');
    if (plan.target === 'rejects' && !mayAct(caller.role, 'steward')) {
      throw new ApiProblem('AUTH_FORBIDDEN', `rejects are replayed by a steward, ${caller.by} has ${caller.role}`, { details: { needs: 'steward' } });
    }
    const { planId, confirm, reason, ...pace } = body;
    const asked = { kind: 'startRedrive', planId, confirm, reason, idempotencyKey, ...pace } as const;
    const { operation } = await ask(api, { caller, tenant: plan.tenant, signal, audit }, asked);
    operationsOf(api).note();
    const found = await requireOperation(operation.operationId, caller, api);
    return { status: 202, body: operationView(found), object: `operation:${operation.operationId}`, after: { items: operation.counts.total } };
  },
};

type Selecting = Pick<PlanBody, 'filter' | 'ids' | 'fingerprint' | 'jobId' | 'correctionId'>;

/** Exactly one way of saying what is meant. */
export function selectionOf(body: Selecting, fields: Parameters<typeof checkFilter>[1]): { filter: string | null; ids: string[] | null } {
  const { filter, ids, fingerprint } = body;
  const said = [filter, ids, fingerprint].filter((one) => one !== undefined).length;
  if (said !== 1) throw badRequest(said === 0 ? '/filter' : '', `expected exactly one of filter, ids and fingerprint, got ${said === 0 ? 'none' : said}`);
  if (fingerprint !== undefined) return { filter: `fingerprint:${fingerprint}`, ids: null };
  if (ids !== undefined) return { filter: null, ids: [...ids] };
  return { filter: checkFilter(filter ?? '', fields, '/filter'), ids: null };
}

/** Of ids the tenant is that of their jobs; of a filter the one that has dead letters. */
export async function tenantOf(body: Selecting & { readonly tenant?: string | undefined }, caller: Caller, api: Api): Promise<string> {
  const named = [body.jobId, ...(body.ids ?? []).slice(0, 1).map((id) => (id.includes('.') ? jobOfItem(id) : id))].find((id) => id !== undefined);
  if (body.tenant === undefined && named !== undefined && isJobId(named)) {
    const record = await api.jobs.record(named);
    if (record !== null && mayReach(caller, record.tenant)) return record.tenant;
  }
  const isOne = body.tenant !== undefined || caller.tenants?.length === 1;
  const troubled = isOne ? [] : await api.redis.queues().ledger.troubledJobs();
  return whichTenant(
    caller,
    body.tenant,
    troubled.map(({ tenant }) => tenant),
  );
}

/** What a replay takes: a set of corrections of one job, or rejects of it as they are. */
async function replayOf(body: PlanBody, caller: Caller, api: Api) {
  const { jobId, correctionId, filter, ids, fingerprint } = body;
  if (jobId === undefined) throw badRequest('/jobId', 'expected the job whose rejects are meant');
  if (fingerprint !== undefined) throw badRequest('/fingerprint', 'expected correctionId, filter or ids: rejects have no fingerprint of their own');
  await api.jobs.require(jobId, caller);
  const said = [correctionId, filter, ids].filter((one) => one !== undefined).length;
  if (said !== 1) throw badRequest('/correctionId', `expected exactly one of correctionId, filter and ids, got ${said === 0 ? 'none' : said}`);
  if (correctionId !== undefined) return { jobId, correctionId, filter: null, cannot: [] };
  const { cannot, ...set } = await unchangedSet(jobId, { filter, ids }, caller, api);
  return { jobId, ...set, cannot: [...cannot] };
}
