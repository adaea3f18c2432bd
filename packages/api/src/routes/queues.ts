/** Queues over HTTP. How people set one is a document of the registry; the leading scheduler does what it says, at once when it hears of it. */
import type { QueueView, queueRoutes } from '@millrace/api-contract';
import { parseQueueName, type QueueName, type QueueSetting } from '@millrace/protocol';
import type { Api } from '../api.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { badRequest } from '../steering/bad-request.ts';
import { queueViews } from '../steering/queue-views.ts';
import { registryLook } from '../steering/registry-look.ts';

export const queueHandlers: HandlersOf<typeof queueRoutes> = {
  'GET /queues': async (_, api) => {
    const data = await allQueues(api);
    return { status: 200, body: { data, nextCursor: null, total: data.length } };
  },
  'GET /queues/{name}': async ({ params }, api) => {
    const view = await requireQueue(params.name, api);
    return { status: 200, body: view, etag: String(view.version) };
  },
  'PATCH /queues/{name}': async ({ params, body, caller, ifMatch }, api) => {
    const before = await requireQueue(params.name, api);
    if (before.kind === 'intake')
      throw new ApiProblem('STATE_CONFLICT', 'intake carries the questions by which everything else is steered: it cannot be paused or bounded');
    if (body.maxConcurrency !== undefined && before.kind !== 'chunk') throw badRequest('/maxConcurrency', 'expected a chunk queue: only those can be bounded');
    const at = api.clock.nowIso();
    const { reason } = body;
    const changed = await api.journal.changeRegistered<'queues', ApiProblem>('queues', params.name, (current) => {
      const version = current?.number ?? 0;
      if (ifMatch !== String(version)) return { refuse: mismatch(params.name, ifMatch, version) };
      const paused = body.paused ?? current?.body.paused ?? false;
      const maxConcurrency = body.maxConcurrency === undefined ? (current?.body.maxConcurrency ?? null) : body.maxConcurrency;
      const setting: QueueSetting = { queue: params.name, paused, maxConcurrency, reason, by: caller.by, at };
      return { put: { at, by: caller.by, reason, body: setting } };
    });
    if ('refused' in changed) throw changed.refused;
    await makeSo(changed.changed.body, api);
    const view = await requireQueue(params.name, api);
    const { paused, maxConcurrency } = view;
    return { status: 200, body: view, etag: String(view.version), after: { paused, maxConcurrency } };
  },
};

/** Redis is told as well, so that nobody waits for the next sweep of the leader; it would say the same. */
async function makeSo(setting: QueueSetting, api: Api): Promise<void> {
  registryLook(api).forget('queues');
  const { settings, tasks, events } = api.redis.queues();
  await settings.put(setting);
  await tasks.setPaused(setting.queue as QueueName, setting.paused);
  await events.nudgeLeader('' as never);
}

function mismatch(name: string, ifMatch: string | null, version: number): ApiProblem {
  return new ApiProblem('ETAG_MISMATCH', `cannot change queue ${name}: version ${ifMatch} was looked at, ${version} stands`, { details: { version } });
}

export async function allQueues(api: Api): Promise<QueueView[]> {
  return queueViews(api.redis.queues(), () => readSettings(api));
}

async function readSettings(api: Api): Promise<ReadonlyMap<string, { readonly setting: QueueSetting; readonly version: number }>> {
  const documents = await registryLook(api).all('queues');
  return new Map([...documents].map(([name, { body, number }]) => [name, { setting: body, version: number }]));
}

async function requireQueue(name: string, api: Api): Promise<QueueView> {
  parseQueueName(name);
  const all = await allQueues(api);
  const found = all.find((view) => view.name === name);
  if (found === undefined) throw new ApiProblem('NOT_FOUND', `cannot find queue ${name}`, { details: { queues: all.map((view) => view.name) } });
  return found;
}
