/** Worker hosts over HTTP, and drain. */
import type { WorkerSummary, workerRoutes } from '@millrace/api-contract';
import type { Api } from '../api.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { workerViews } from '../steering/worker-views.ts';

export const workerHandlers: HandlersOf<typeof workerRoutes> = {
  'GET /workers': async ({ caller }, api) => {
    const data = await allWorkers(caller, api);
    return { status: 200, body: { data, nextCursor: null, total: data.length } };
  },
  'GET /workers/{workerId}': async ({ params, caller }, api) => ({ status: 200, body: await requireWorker(params.workerId, caller, api) }),
  'POST /workers/{workerId}/drain': async ({ params, caller }, api) => {
    await requireWorker(params.workerId, caller, api);
    await api.redis.queues().workers.askToDrain(params.workerId);
    return { status: 202, body: await requireWorker(params.workerId, caller, api) };
  },
};

export function allWorkers(caller: Pick<Caller, 'tenants'>, api: Api): Promise<WorkerSummary[]> {
  return workerViews(api.redis.queues(), api.clock.nowMs(), (tenant) => mayReach(caller as Caller, tenant));
}

async function requireWorker(workerId: string, caller: Caller, api: Api): Promise<WorkerSummary> {
  const found = (await allWorkers(caller, api)).find((worker) => worker.workerId === workerId);
  if (found === undefined) throw new ApiProblem('NOT_FOUND', `cannot find a live host ${workerId}`);
  return found;
}
