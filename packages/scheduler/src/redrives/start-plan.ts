/** Starts a frozen plan: its operation is put, once, and the leading scheduler takes it up from there. */
import {
  type AnswerTo,
  canaryAbove,
  defaultCanary,
  type ItemCounts,
  isPlanId,
  type Operation,
  operationIdOf,
  type RedrivePlan,
  type StartRedriveRequest,
} from '@millrace/protocol';
import type { Control } from '../control.ts';
import { unlessRebuilding } from '../known-ledger.ts';
import { refusal } from '../refusal.ts';

export const noItems: ItemCounts = { total: 0, released: 0, resolved: 0, failedAgain: 0, skipped: 0 };

export async function startRedrive(request: StartRedriveRequest, control: Control): Promise<AnswerTo<'startRedrive'>> {
  const { planId, tenant } = request;
  const plan = isPlanId(planId) ? ((await control.journal.readRegistered('plans', planId))?.body ?? null) : null;
  if (plan === null || plan.tenant !== tenant) return refusal('NOT_FOUND', `cannot find plan ${planId}`);
  const operationId = operationIdOf(planId);
  const standing = await control.journal.readRegistered('operations', operationId);
  if (standing !== null) return answerStanding(standing.body, request);
  if (control.clock.nowMs() > Date.parse(plan.expiresAt))
    return refusal('PLAN_EXPIRED', `cannot start plan ${planId}: it expired at ${plan.expiresAt}; plan again`);
  if (request.confirm !== plan.confirm) {
    return refusal('CONFIRM_MISMATCH', `cannot start plan ${planId}: it redrives ${plan.confirm} items, but ${request.confirm} were confirmed`);
  }
  const body = operationOf(plan, request, control.clock.nowIso());
  const put = await control.journal.putRegistered('operations', operationId, 1, { at: body.startedAt, by: request.by, reason: request.reason, body });
  if (put.outcome === 'lost') return answerStanding(put.stored.body, request);
  await unlessRebuilding(() => control.queues.operations.add(operationId));
  await control.queues.events.nudgeLeader(plan.jobs[0]?.jobId ?? ('' as never));
  control.log.info({ operationId, planId, items: plan.confirm, by: request.by }, 'operation started');
  return { ok: true, kind: 'startRedrive', operation: body, replayed: false };
}

/** A plan is started once: the same key gets the same operation, everybody else hears of it. */
function answerStanding(operation: Operation, request: StartRedriveRequest): AnswerTo<'startRedrive'> {
  const isSame = request.idempotencyKey !== null && request.idempotencyKey === operation.idempotencyKey;
  if (isSame) return { ok: true, kind: 'startRedrive', operation, replayed: true };
  return refusal('PLAN_USED', `cannot start plan ${operation.planId}: it was started as ${operation.operationId} by ${operation.by}`);
}

function operationOf(plan: RedrivePlan, request: StartRedriveRequest, nowIso: string): Operation {
  const canary = request.canary === undefined ? (plan.confirm > canaryAbove ? { ...defaultCanary } : null) : request.canary;
  return {
    operationId: operationIdOf(plan.planId),
    planId: plan.planId,
    tenant: plan.tenant,
    target: plan.target,
    correction: plan.correction,
    filter: plan.filter,
    state: 'pending',
    why: null,
    rate: request.rate === undefined ? plan.rate : request.rate,
    canary,
    canaryPassed: false,
    overrides: plan.overrides,
    reason: request.reason,
    by: request.by,
    idempotencyKey: request.idempotencyKey,
    startedAt: nowIso,
    endedAt: null,
    counts: { ...noItems, total: plan.confirm },
    recent: '',
    jobs: plan.jobs.map((job) => ({ ...job, counts: { ...noItems, total: job.items }, why: null })),
  };
}
