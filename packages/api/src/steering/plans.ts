/** Frozen plans, redrives and waivers alike: reading them as callers may see them, and what they take. */
import type { PlanView } from '@millrace/api-contract';
import type { Registered } from '@millrace/journal';
import { canaryAbove, defaultCanary, isPlanId, operationIdOf, type RedrivePlan } from '@millrace/protocol';
import type { Api } from '../api.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import { ApiProblem } from '../problem.ts';

/** Throws `NOT_FOUND`, in the same words for another tenant's. */
export async function requirePlan(planId: string, caller: Caller, api: Api): Promise<RedrivePlan> {
  const found = isPlanId(planId) ? await api.journal.readRegistered('plans', planId) : null;
  if (found === null || found.removed || !mayReach(caller, found.body.tenant)) throw new ApiProblem('NOT_FOUND', `cannot find plan ${planId}`);
  return found.body;
}

/** One that was started stays; one that was not is gone when it has expired. Throws `PLAN_EXPIRED`. */
export async function requireLivePlan(planId: string, caller: Caller, api: Api): Promise<{ plan: RedrivePlan; started: Registered<'operations'> | null }> {
  const plan = await requirePlan(planId, caller, api);
  const started = await api.journal.readRegistered('operations', operationIdOf(planId));
  if (started === null && api.clock.nowMs() > Date.parse(plan.expiresAt)) {
    throw new ApiProblem('PLAN_EXPIRED', `plan ${planId} expired at ${plan.expiresAt}: plan again`, { details: { filter: plan.filter, target: plan.target } });
  }
  return { plan, started };
}

export function planView(plan: RedrivePlan, operationId: string | null): PlanView {
  const { itemDocuments: _, correction: __, ...shown } = plan;
  const isRedrive = plan.target === 'deadLetters' || plan.target === 'jobs';
  return {
    ...shown,
    changes: plan.changes.map(({ jobId, pointer, first, now }) => ({ jobId, pointer, first: first ?? null, now: now ?? null })),
    canary: isRedrive && plan.confirm > canaryAbove ? { ...defaultCanary } : null,
    operationId,
  } as PlanView;
}

/** A page of the ids of a plan; `from`: how many to pass over. */
export async function planItems(plan: RedrivePlan, from: number, limit: number, api: Api): Promise<string[]> {
  const found: string[] = [];
  for (let document = 0; document < plan.itemDocuments && found.length < limit; document++) {
    const stored = await api.journal.readRegisteredVersion('plan-items', `${plan.planId}-${document}`, 1);
    if (stored === null) throw new ApiProblem('GONE', `the items of plan ${plan.planId} are kept no longer`);
    const { first, items } = stored.body;
    if (first + items.length <= from) continue;
    found.push(...items.slice(Math.max(0, from - first), Math.max(0, from - first) + limit - found.length));
  }
  return found;
}

/** The job that an item is of. */
export const jobOfItem = (id: string): string => id.slice(0, id.indexOf('.'));
