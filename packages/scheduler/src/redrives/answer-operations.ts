/** Operations as people ask for them: lists, one, its items with their outcomes, and what they may do to one that runs. */
import {
  type AnswerTo,
  type ItemCounts,
  isOperationId,
  type JobId,
  type Manifest,
  type Operation,
  type OperationItem,
  type OperationItemsRequest,
  type OperationRequest,
  type OperationsRequest,
  type SteerOperationRequest,
  steeredOperation,
} from '@millrace/protocol';
import type { Control } from '../control.ts';
import { inSteps } from '../in-steps.ts';
import { refusal } from '../refusal.ts';
import { type OpenedGeneration, openedBy, outcomeOf, waiverEnd } from './item-outcomes.ts';
import { readItems } from './operation-items.ts';
import { replayEnds } from './replay-items.ts';

const notFound = (operationId: string) => refusal('NOT_FOUND', `cannot find operation ${operationId}`);

/** With the counts as they were last seen; null for none, or another tenant's. */
async function readOperation(operationId: string, tenant: string, control: Control): Promise<Operation | null> {
  const stored = isOperationId(operationId) ? await control.journal.readRegistered('operations', operationId) : null;
  if (stored === null || stored.body.tenant !== tenant) return null;
  return withLiveCounts(stored.body, control);
}

async function withLiveCounts(operation: Operation, control: Control): Promise<Operation> {
  const live = operation.endedAt === null ? await control.queues.operations.counts(operation.operationId) : null;
  return live === null ? operation : { ...operation, counts: live };
}

/** Newest first. */
export async function answerOperations(request: OperationsRequest, control: Control): Promise<AnswerTo<'operations'>> {
  const ids: string[] = [];
  for await (const id of control.journal.listRegistered('operations')) ids.push(id);
  const { after } = request;
  const wanted = ids.reverse().filter((id) => after === null || id < after);
  const operations: Operation[] = [];
  for (const id of wanted) {
    if (operations.length === request.limit) return { ok: true, kind: 'operations', operations, after: operations.at(-1)?.operationId ?? null };
    const operation = await readOperation(id, request.tenant, control);
    if (operation !== null && (request.state === null || operation.state === request.state)) operations.push(operation);
  }
  return { ok: true, kind: 'operations', operations, after: null };
}

export async function answerOperation(request: OperationRequest, control: Control): Promise<AnswerTo<'operation'>> {
  const operation = await readOperation(request.operationId, request.tenant, control);
  return operation === null ? notFound(request.operationId) : { ok: true, kind: 'operation', operation };
}

/** A page of items with what became of each, read from the journal. */
export async function answerItems(request: OperationItemsRequest, control: Control): Promise<AnswerTo<'operationItems'>> {
  const operation = await readOperation(request.operationId, request.tenant, control);
  const plan = operation === null ? null : await control.journal.readRegistered('plans', operation.planId);
  if (operation === null || plan === null) return notFound(request.operationId);
  const ids = await readItems(plan.body, control);
  const jobs = new Map<string, OpenedJob>();
  for (const { jobId } of operation.jobs) jobs.set(jobId, await openedJob(operation.operationId, jobId, control));
  const found: OperationItem[] = [];
  let at = request.after;
  for (; at < ids.length && found.length < request.limit; at += request.limit) {
    const some = ids.slice(at, at + request.limit);
    const outcomes = await endsOf(operation, some, jobs, control);
    for (const item of outcomes) if (request.outcome === null || item.outcome === request.outcome) found.push(item);
  }
  const { counts }: { counts: ItemCounts } = operation;
  return { ok: true, kind: 'operationItems', items: found, after: at < ids.length ? at : null, counts };
}

interface OpenedJob {
  readonly opened: OpenedGeneration | null;
  readonly manifest: Manifest | null;
}

/** What became of these items, in their order. */
async function endsOf(operation: Operation, ids: readonly string[], jobs: ReadonlyMap<string, OpenedJob>, control: Control): Promise<OperationItem[]> {
  const isOver = operation.endedAt !== null;
  const [only] = operation.jobs;
  if (operation.target === 'rejects' && only !== undefined) {
    const ends = await replayEnds(ids, only.jobId, { opened: jobs.get(only.jobId)?.opened ?? null, isOver }, control);
    return ids.map((id) => ({ id, ...(ends.get(id) ?? { outcome: 'pending', why: null }) }));
  }
  return inSteps(ids, async (id) => {
    const { opened = null, manifest = null } = jobs.get(id.slice(0, id.indexOf('.'))) ?? {};
    if (operation.target === 'waiveDeadLetters') return { id, ...waiverEnd(id, opened, isOver) };
    return { id, ...(await outcomeOf(id, opened, manifest, isOver, control)) };
  });
}

async function openedJob(operationId: string, jobId: JobId, control: Control): Promise<OpenedJob> {
  const opened = await openedBy(operationId, jobId, control);
  return { opened, manifest: opened === null ? null : ((await control.journal.readManifest(jobId, opened.generation))?.record ?? null) };
}

export async function steerOperation(request: SteerOperationRequest, control: Control): Promise<AnswerTo<'steerOperation'>> {
  const { operationId, act, rate, by, reason } = request;
  const known = await readOperation(operationId, request.tenant, control);
  if (known === null) return notFound(operationId);
  const result = await control.journal.changeRegistered<'operations', AnswerTo<'steerOperation'>>('operations', operationId, (current) => {
    if (current === null) return { refuse: notFound(operationId) };
    const steered = steeredOperation(current.body, act, { rate, by, reason });
    if ('refused' in steered)
      return { refuse: { ...refusal('STATE_CONFLICT', `cannot ${act} operation ${operationId}: ${steered.refused}`), state: current.body.state } };
    return { put: { at: control.clock.nowIso(), by, reason, body: steered } };
  });
  if ('refused' in result) return result.refused;
  const operation = result.changed.body;
  await control.queues.operations.add(operationId);
  const [job] = operation.jobs;
  if (job) await control.queues.events.nudgeLeader(job.jobId);
  control.log.info({ operationId, act, by }, 'operation steered');
  return { ok: true, kind: 'steerOperation', operation: await withLiveCounts(operation, control) };
}
