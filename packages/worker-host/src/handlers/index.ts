import type { WorkOrders } from '@millrace/queues';
import type { WorkHandler } from '../execute-work.ts';
import { finishJob } from './finish-job.ts';
import { planWork } from './plan-inputs.ts';

/** What a task that is no chunk asks for → who does it. A missing kind does not compile. */
export const workHandlers = { plan: planWork, finish: finishJob } satisfies { [Kind in WorkOrders['kind']]: WorkHandler };
