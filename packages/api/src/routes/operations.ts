/** Operations over HTTP: read from the registry, steered by the scheduler. */
import type { operationRoutes } from '@millrace/api-contract';
import { matchesFilter, type Operation, operationFields, parseFilter } from '@millrace/protocol';
import { z } from 'zod';
import { ask } from '../ask.ts';
import type { HandlersOf } from '../handler.ts';
import { operationsOf, operationView, requireOperation } from '../steering/operations-reader.ts';
import { jobOfItem } from '../steering/plans.ts';

const behind = z.string().max(64);
const position = z.int().min(0);

export const operationHandlers: HandlersOf<typeof operationRoutes> = {
  'GET /operations': async ({ query, caller }, api) => {
    const filter = parseFilter(query.q, operationFields);
    const list = `operations ${filter.text}`;
    const after = query.cursor === undefined ? null : api.cursors.read(list, query.cursor, behind);
    const nowMs = api.clock.nowMs();
    const found = (await operationsOf(api).all(caller)).filter(({ operation }) => matchesFilter(filter, itemOf(operation), nowMs));
    // Ids made later sort later; the list is newest first.
    const rest = after === null ? found : found.filter(({ operation }) => operation.operationId < after);
    const page = rest.slice(0, query.limit);
    const last = page.at(-1);
    const nextCursor = rest.length > page.length && last !== undefined ? api.cursors.write(list, last.operation.operationId) : null;
    return { status: 200, body: { data: page.map(operationView), nextCursor, total: found.length, filter: filter.text } };
  },
  'GET /operations/{operationId}': async ({ params, caller }, api) => ({
    status: 200,
    body: operationView(await requireOperation(params.operationId, caller, api)),
  }),
  'GET /operations/{operationId}/items': async ({ params, query, caller, signal }, api) => {
    const { operation } = await requireOperation(params.operationId, caller, api);
    const { operationId, tenant } = operation;
    const { outcome = null, limit } = query;
    const list = `operation-items ${operationId} ${outcome ?? ''}`;
    const after = query.cursor === undefined ? 0 : api.cursors.read(list, query.cursor, position);
    const answer = await ask(api, { caller, tenant, signal }, { kind: 'operationItems', operationId, outcome, limit, after });
    return {
      status: 200,
      body: {
        data: answer.items.map(({ id, outcome: end, why }) => ({ id, jobId: jobOfItem(id) as never, outcome: end, why })),
        nextCursor: answer.after === null ? null : api.cursors.write(list, answer.after),
        total: outcome === null ? operation.counts.total : null,
      },
    };
  },
  'PATCH /operations/{operationId}': async ({ params, body, caller, signal, audit }, api) => {
    const { operation } = await requireOperation(params.operationId, caller, api);
    const { operationId, tenant } = operation;
    const steer = (act: 'pause' | 'resume' | 'abort' | 'rate', rate: number | null) =>
      ask(api, { caller, tenant, signal, audit }, { kind: 'steerOperation', operationId, act, rate, reason: body.reason });
    if (body.rate !== undefined) await steer('rate', body.rate);
    if (body.state !== undefined) await steer(acts[body.state], null);
    const found = await requireOperation(operationId, caller, api);
    return { status: 200, body: operationView(found), after: { state: found.operation.state, rate: found.operation.rate } };
  },
};

const acts = { paused: 'pause', running: 'resume', aborted: 'abort' } as const;

function itemOf({ operationId, state, jobs, why, startedAt, by, reason }: Operation) {
  return {
    id: operationId,
    state,
    job: jobs.map(({ jobId }) => jobId),
    name: jobs.map(({ name }) => name),
    code: why?.code ?? null,
    created: startedAt,
    age: startedAt,
    words: [operationId, by, reason, ...jobs.map(({ name }) => name)],
  };
}
