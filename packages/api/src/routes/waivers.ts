/** Waivers over HTTP: the two steps of a redrive, and nothing runs but the judgement of the job. */
import type { waiverRoutes } from '@millrace/api-contract';
import { letterFields } from '@millrace/protocol';
import { ask } from '../ask.ts';
import type { HandlersOf } from '../handler.ts';
import { badRequest } from '../steering/bad-request.ts';
import { operationsOf, operationView, requireOperation } from '../steering/operations-reader.ts';
import { planView, requirePlan } from '../steering/plans.ts';
import { selectionOf, tenantOf } from './redrives.ts';

export const waiverHandlers: HandlersOf<typeof waiverRoutes> = {
  'POST /waivers/plans': async ({ body, caller, signal }, api) => {
    const tenant = await tenantOf(body, caller, api);
    const asked = { kind: 'planRedrive', target: 'waiveDeadLetters', ...selectionOf(body, letterFields), overrides: {} } as const;
    const { plan } = await ask(api, { caller, tenant, signal }, asked);
    return { status: 201, body: planView(plan, null), object: `plan:${plan.planId}` };
  },
  'POST /waivers': async ({ body, caller, idempotencyKey, signal, audit }, api) => {
    const plan = await requirePlan(body.planId, caller, api);
    if (plan.target !== 'waiveDeadLetters') throw badRequest('/planId', 'expected a plan of a waiver; this one is a redrive: POST /v1/redrives');
    const { planId, confirm, reason } = body;
    const asked = { kind: 'startRedrive', planId, confirm, reason, idempotencyKey, rate: null, canary: null } as const;
    const { operation } = await ask(api, { caller, tenant: plan.tenant, signal, audit }, asked);
    operationsOf(api).note();
    const found = await requireOperation(operation.operationId, caller, api);
    return { status: 202, body: operationView(found), object: `operation:${operation.operationId}`, after: { items: operation.counts.total } };
  },
};
