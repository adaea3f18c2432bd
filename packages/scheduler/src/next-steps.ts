/** Pure: what a job needs next. The state machine of a job; `apply-steps.ts` does what it says. Every step is harmless when it is taken twice. */
import { type FailureCode, keyStages } from '@millrace/protocol';
import { type JobEnd, type LedgerJobView, nextLater } from '@millrace/queues';

export type Step =
  /** The ledger and the journal have come apart: read the job anew. */
  | { readonly step: 'rebuild' }
  /** Segments were written whose event was lost. */
  | { readonly step: 'readPlan' }
  /** Files that could not be planned become dead letters. */
  | { readonly step: 'buryUnplannable' }
  | { readonly step: 'addPlanWork' }
  /** Every chunk before it has an outcome: the chunks of the next stage can be known. */
  | { readonly step: 'addStageWork'; readonly laterIndex: number }
  | { readonly step: 'end'; readonly end: JobEnd }
  | { readonly step: 'finish' }
  | { readonly step: 'addFinishWork' };

/** Whether a budget is used up; the evidence is put together by the finisher, from the final sums. */
export interface BudgetVerdict {
  readonly exceeded: { readonly code: FailureCode; readonly message: string } | null;
}

export interface JobSituation {
  readonly job: LedgerJobView;
  /** Files of the sealed plan that could not be planned and have no dead letter yet. */
  readonly unburiedFiles: number;
  /** A budget, judged by the sums so far. */
  readonly budget: BudgetVerdict;
  /** The same by the standards of a finish: no later stage begins on what is broken already. */
  readonly stageBudget: BudgetVerdict;
  /** The generation has been at work for longer than its time limit. */
  readonly overTime: boolean;
  /** A stream that nobody has sealed, and no chunk came for its time limit. */
  readonly abandoned: boolean;
}

export function nextSteps(situation: JobSituation): Step[] {
  const { job } = situation;
  if (job.rebuilding) return [];
  switch (job.state) {
    case 'completed':
    case 'failed':
    case 'cancelled':
      return [];
    case 'finishing':
      return job.openWork === 0 ? [{ step: 'addFinishWork' }] : [];
    case 'accepted':
    case 'planning':
    case 'running':
    case 'paused':
      return job.recheck ? [{ step: 'rebuild' }] : openSteps(situation);
    default:
      return job.state satisfies never;
  }
}

function openSteps(situation: JobSituation): Step[] {
  const { job } = situation;
  if (job.end !== null) return [{ step: 'finish' }];
  const end = endOf(situation);
  if (end !== null) return [{ step: 'end', end }, { step: 'finish' }];
  if (job.paused) return [];
  if (!job.sealed && job.stream !== null) return [];
  if (!job.sealed) return job.openWork === 0 ? [{ step: 'addPlanWork' }] : [];
  if (job.sealedSegments !== null && job.segments < job.sealedSegments) return [{ step: 'readPlan' }];
  if (situation.unburiedFiles > 0) return [{ step: 'buryUnplannable' }];
  if (!hasAllOutcomes(job)) return [];
  const laterIndex = nextLater(job);
  if (laterIndex === null) return [{ step: 'finish' }];
  // Whether what came so far may be built upon is judged by its sums.
  if (job.uncounted > 0) return [];
  const { exceeded } = situation.stageBudget;
  if (exceeded) return [{ step: 'end', end: failedBy(exceeded) }, { step: 'finish' }];
  const unknown = unknownOwners(job);
  if (unknown !== null) return [{ step: 'end', end: unknown }, { step: 'finish' }];
  return [{ step: 'addStageWork', laterIndex }];
}

/** No budget tolerates keys that were not compared: records that are not unique would pass unseen. */
function unknownOwners({ stageViews }: LedgerJobView): JobEnd | null {
  const dead = stageViews.find(({ name }) => name === keyStages.owners)?.chunks.dead ?? 0;
  if (dead === 0) return null;
  const message = `${dead} partitions of keys could not be compared, so nobody knows which records are unique; redrive the dead letters of stage ${keyStages.owners}`;
  return { state: 'failed', code: 'BUDGET_DEAD_LETTERS', message };
}

function endOf({ job, budget, overTime, abandoned }: JobSituation): JobEnd | null {
  if (job.cancelled) return { state: 'cancelled', code: 'JOB_CANCELLED', message: 'the job was cancelled' };
  if (budget.exceeded) return failedBy(budget.exceeded);
  if (overTime && !job.paused) return { state: 'failed', code: 'JOB_TIME_LIMIT', message: 'the job took longer than execution.jobTimeLimit' };
  if (abandoned && !job.paused)
    return { state: 'failed', code: 'INPUT_STREAM_ABANDONED', message: 'no chunk came for sealTimeLimit and the stream was not sealed' };
  return null;
}

const failedBy = ({ code, message }: NonNullable<BudgetVerdict['exceeded']>): JobEnd => ({ state: 'failed', code, message });

/** Every chunk that is planned so far is committed or dead, and nothing is under way. */
export function hasAllOutcomes(job: LedgerJobView): boolean {
  return job.sealed && job.openWork === 0 && job.chunks.committed + job.chunks.dead >= job.chunks.total;
}
