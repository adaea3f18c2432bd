import type { JobRecord } from '@millrace/protocol';
import type { WorkOrders } from '@millrace/queues';
import type { ClassifiedFailure } from '../classify.ts';
import type { WorkEnd } from '../execute-work.ts';
import type { AttemptPlace } from '../failure-record.ts';

export const failedWork = (failure: ClassifiedFailure): WorkEnd => ({ outcome: 'failed', failure });

/** Work has no range. Its stage is `plan` or `finish`, its chunk the first file of a plan task or 0. */
export function workPlace(orders: WorkOrders, job: Pick<JobRecord, 'name' | 'spec'> | null): AttemptPlace {
  return {
    jobId: orders.jobId,
    jobName: job?.name ?? orders.jobId,
    inputName: job?.spec.inputs[0]?.name ?? 'input',
    stage: orders.kind,
    chunk: orders.kind === 'plan' ? orders.first : 0,
    generation: orders.generation,
    range: null,
    fileUri: null,
    mode: 'normal',
  };
}
