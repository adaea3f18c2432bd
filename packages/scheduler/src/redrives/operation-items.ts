/** The items of a plan as the leading scheduler keeps them in hand: read once, job by job, with what each opened generation takes of them. */
import type { JobId, Operation, PlanTarget, RedrivePlan } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import type { Control } from '../control.ts';
import { itemChunk, type OpenedGeneration, openedBy } from './item-outcomes.ts';

export interface JobItems {
  readonly jobId: JobId;
  readonly ids: readonly string[];
}

/** Every item of a plan, in its order. Throws when a document that was there is gone. */
export async function readItems(plan: Pick<RedrivePlan, 'planId' | 'itemDocuments'>, control: Control): Promise<string[]> {
  const ids: string[] = [];
  for (let document = 0; document < plan.itemDocuments; document++) {
    const stored = await control.journal.readRegisteredVersion('plan-items', `${plan.planId}-${document}`, 1);
    if (stored === null) throw new AppError('JOURNAL_UNSAFE', `cannot read the items of plan ${plan.planId}: document ${document} is gone`);
    for (const id of stored.body.items) ids.push(id);
  }
  return ids;
}

/** What an opened generation takes, in the form that outcomes are counted in. */
export interface Taken {
  readonly generation: number;
  /** Numbers of chunks. */
  readonly chunks: readonly number[];
  /** Numbers of files that were not planned. */
  readonly files: readonly number[];
  /** The job has nothing to run, only to come to its end. */
  readonly finish: boolean;
  /** Items that had changed since the plan was frozen. */
  readonly left: number;
}

export class OperationItems {
  readonly operationId: string;
  readonly target: PlanTarget;
  readonly #byJob: ReadonlyMap<JobId, readonly string[]>;
  readonly #taken = new Map<JobId, Taken>();

  private constructor(operationId: string, target: PlanTarget, byJob: ReadonlyMap<JobId, readonly string[]>) {
    this.operationId = operationId;
    this.target = target;
    this.#byJob = byJob;
  }

  static async read({ operationId, planId }: Operation, control: Control): Promise<OperationItems> {
    const plan = await control.journal.readRegistered('plans', planId);
    if (plan === null) throw new AppError('JOURNAL_UNSAFE', `cannot drive ${operationId}: its plan ${planId} is gone`);
    const ids = await readItems(plan.body, control);
    return new OperationItems(
      operationId,
      plan.body.target,
      Map.groupBy(ids, (id) => id.slice(0, id.indexOf('.')) as JobId),
    );
  }

  ids(jobId: JobId): readonly string[] {
    return this.#byJob.get(jobId) ?? [];
  }

  /** Null: the operation has not opened a generation of this job yet. */
  async taken(jobId: JobId, control: Control): Promise<Taken | null> {
    const known = this.#taken.get(jobId);
    if (known !== undefined) return known;
    const opened = await openedBy(this.operationId, jobId, control);
    if (opened === null) return null;
    const taken = takenOf(this.ids(jobId), opened);
    this.#taken.set(jobId, taken);
    return taken;
  }
}

function takenOf(ids: readonly string[], { generation, select }: OpenedGeneration): Taken {
  const chunks: number[] = [];
  const files: number[] = [];
  let finish = false;
  let left = 0;
  for (const id of ids) {
    const { stage, chunk } = itemChunk(id);
    if (select !== 'all' && !select.has(`${stage}.${chunk}`)) left += 1;
    else if (stage === 'finish') finish = true;
    else (stage === 'plan' ? files : chunks).push(chunk);
  }
  return { generation, chunks, files, finish, left };
}
