/**
 * A plan task of a later stage: when every chunk before it has an outcome, a core gathers the slices of each partition and puts the chunks of the stage, or
 * those of a map stage with the records that lost their keys.
 * As with files, everything is put if absent: a second planner goes on behind the first.
 */
import { allSegments, isSegment, type PlanView, type StagePlan } from '@millrace/journal';
import { chunkBytes, jobStages, laterStages, plannedRecords, type Sealed, segmentRanges } from '@millrace/protocol';
import type { PlanDone } from '@millrace/protocol/wire';
import type { SegmentRef } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import type { WorkEnd } from '../execute-work.ts';
import { askCore, type PlanJob, planDeadlineMs, stoppedWork } from './plan-job.ts';

export async function planStage(plan: PlanJob, laterIndex: number): Promise<WorkEnd> {
  const { job, host, attempt } = plan;
  const { jobId, generation, workId } = attempt.orders;
  const stage = laterStages(jobStages(job))[laterIndex]?.name;
  if (stage === undefined) throw new AppError('PLAN_CONFLICT', `cannot plan later stage ${laterIndex} of ${jobId}: there are fewer`);
  const start = await stageStart(plan, stage);
  if (start.standing.sealed === null) {
    const planned = await askForPlan(plan, stage, start);
    if (planned !== null) return planned;
  }
  const sealed = start.standing.sealed ?? (await sealStage(plan, stage, start.firstSegment));
  const plans = await host.journal.readPlan(job, generation);
  await host.queues.ledger.sealStage(jobId, generation, {
    index: laterIndex,
    stage,
    segments: segmentRefs(plans, stage),
    upTo: start.firstSegment + sealed.segments,
  });
  await host.queues.ledger.closeWork(workId, generation);
  return { outcome: 'done' };
}

interface StageStart {
  readonly firstSegment: number;
  readonly firstChunk: number;
  readonly standing: StagePlan;
}

/** Segment numbers go on behind the plans before this one, chunk numbers behind all chunks that the job ever listed before this stage in this generation. */
async function stageStart({ job, attempt, host }: PlanJob, stage: string): Promise<StageStart> {
  const { jobId, generation } = attempt.orders;
  const plans: PlanView[] = [];
  for (let number = 1; number <= generation; number += 1) plans.push(await host.journal.readPlan(job, number));
  const own = plans.at(-1);
  const at = own?.stages.findIndex((one) => one.stage === stage) ?? -1;
  const standing = own?.stages[at];
  if (own === undefined || standing === undefined) throw new AppError('PLAN_CONFLICT', `cannot plan stage ${stage} of ${jobId}: the job has no such stage`);
  const before = [own.sealed, ...own.stages.slice(0, at).map(({ sealed }) => sealed)];
  if (before.includes(null)) throw new AppError('PLAN_CONFLICT', `cannot plan stage ${stage} of ${jobId}: a stage before it is not planned to its end`);
  const firstSegment = before.reduce((sum, sealed) => sum + (sealed?.segments ?? 0), 0);
  const earlier = [...plans.slice(0, -1).flatMap(allSegments), ...own.segments, ...own.stages.slice(0, at).flatMap(({ segments }) => segments)];
  const firstChunk = earlier.reduce((next, { record }) => record.chunks.reduce((above, { chunk }) => Math.max(above, chunk + 1), next), 0);
  return { firstSegment, firstChunk, standing };
}

/** Null when the chunks of the stage stand; else how the task ends. */
async function askForPlan(plan: PlanJob, stage: string, { firstSegment, firstChunk }: StageStart): Promise<WorkEnd | null> {
  const { orders } = plan.attempt;
  const pins = await plan.host.journal.readPins(orders.jobId);
  if (pins === null) throw new AppError('JOURNAL_UNSAFE', `cannot plan stage ${stage} of ${orders.jobId}: it has no pins`);
  const { jobKey, specDigest, generation } = orders;
  const numbers = { firstInput: 0, inputCount: 0, firstSegment, firstChunk };
  const message = {
    type: 'Plan',
    call: { secrets: plan.secrets },
    jobKey,
    specDigest,
    pinsDigest: pins.digest,
    generation,
    mode: 'stage',
    ...numbers,
    stage,
    span: null,
  } as const;
  const answer = await askCore(plan, (core, options) => core.request(message, { ...options, deadlineMs: planDeadlineMs }));
  if ('outcome' in answer) return answer;
  const done: PlanDone = answer.done;
  return done.cancelled ? stoppedWork(plan.keeper.stoppedFor) : null;
}

async function sealStage({ job, attempt, host }: PlanJob, stage: string, firstSegment: number): Promise<Sealed> {
  const { jobId, generation } = attempt.orders;
  const head = { version: 1, jobId, generation, stage } as const;
  const segments = (await host.journal.readPlan(job, generation)).stages.find((one) => one.stage === stage)?.segments ?? [];
  const end = await host.journal.putPlanEnd({ record: 'planEnd', ...head, segments: firstSegment + segments.length });
  if (isSegment(end.stored)) throw new AppError('PLAN_CONFLICT', `cannot end the plan of ${stage} of ${jobId}: another segment stands there`);
  const chunks = segments.flatMap(({ record }) => record.chunks);
  const records = chunks.reduce((sum, chunk) => sum + (plannedRecords(chunk) ?? 0), 0);
  const bytes = chunks.reduce((sum, chunk) => sum + chunkBytes(chunk), 0);
  const sealed: Sealed = { record: 'sealed', ...head, segments: segments.length, chunks: chunks.length, bytes, records, unplannable: [] };
  return (await host.journal.putSealed(sealed)).stored.record;
}

const segmentRefs = (plan: PlanView, stage: string): SegmentRef[] =>
  (plan.stages.find((one) => one.stage === stage)?.segments ?? []).map(({ key, digest, record }) => ({ key, digest, ...segmentRanges(record) }));
