/** The installation: its codes, whether its parts are there, the document of this API. */
import { commonErrors, type installationRoutes, pageOfCode, routes, statusOf } from '@millrace/api-contract';
import { type FailureCode, failureCodes, isFailureCode } from '@millrace/protocol';
import type { Queues } from '@millrace/queues';
import type { Api } from '../api.ts';
import type { HandlersOf } from '../handler.ts';
import { openApiOf } from '../openapi.ts';
import { ApiProblem } from '../problem.ts';
import { listAudit } from './audit.ts';

let document: Record<string, unknown> | null = null;

export const installationHandlers: HandlersOf<typeof installationRoutes> = {
  'GET /codes': async () => ({ status: 200, body: { data: (Object.keys(failureCodes) as FailureCode[]).map(shownCode) } }),
  'GET /codes/{code}': async ({ params: { code } }) => {
    if (!isFailureCode(code)) throw new ApiProblem('NOT_FOUND', `there is no code ${code}`);
    return { status: 200, body: shownCode(code) };
  },
  'GET /status': async (_, api) => {
    const checks = [await checkJournal(api), ...(await checkRedisAndHosts(api))];
    const { version, environment } = api.settings;
    const status = checks.every(({ ok }) => ok) ? ('ok' as const) : ('degraded' as const);
    return { status: 200, body: { status, version, environment, checkedAt: api.clock.nowIso(), checks } };
  },
  'GET /audit': listAudit,
  'GET /openapi.json': async (_, api) => {
    document ??= openApiOf(routes, api.settings.version);
    return { status: 200, body: document };
  },
};

const calls = new Set<FailureCode>([...routes.flatMap(({ errors }): readonly FailureCode[] => errors), ...commonErrors]);

function shownCode(code: FailureCode) {
  const { class: failureClass, title, hint } = failureCodes[code];
  return { code, class: failureClass, title, hint, status: calls.has(code) ? statusOf(code) : null, page: pageOfCode(code) };
}

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

async function checked(name: string, look: () => Promise<{ ok: boolean; detail: string }>): Promise<Check> {
  try {
    return { name, ...(await look()) };
  } catch (error) {
    // Words of faults may name machines and places that are not for every reader.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
    return { name, ok: false, detail: `not reachable (${code})` };
  }
}

const checkJournal = (api: Api): Promise<Check> =>
  checked('journal', async () => {
    for await (const _ of api.journal.listOpenMarkers()) break;
    return { ok: true, detail: 'readable' };
  });

async function checkRedisAndHosts(api: Api): Promise<Check[]> {
  const queues = api.redis.found;
  if (queues === null) return [{ name: 'redis', ok: false, detail: 'not reachable: acts must wait, pages are read from the journal' }];
  return [
    await checked('redis', async () => {
      await queues.check();
      return (await queues.isFull()) ? { ok: false, detail: 'over four fifths of its memory: new work waits' } : { ok: true, detail: 'answers' };
    }),
    await checked('scheduler', async () => {
      const holder = await queues.leader.holder();
      return holder === null ? { ok: false, detail: 'none leads: nothing is planned or dispatched' } : { ok: true, detail: `${holder} leads` };
    }),
    await checked('ledger', async () => {
      await queues.ledger.epoch();
      return { ok: true, detail: 'stands' };
    }),
    await checked('worker hosts', () => hosts(queues)),
  ];
}

async function hosts(queues: Queues): Promise<{ ok: boolean; detail: string }> {
  const workers = (await queues.workers.list()).filter(({ draining }) => !draining);
  const slots = workers.reduce((sum, one) => sum + one.slots, 0);
  if (workers.length === 0) return { ok: false, detail: 'none is there: chunks wait' };
  const versions = new Set(workers.map(({ coreVersion }) => coreVersion));
  return { ok: true, detail: `${workers.length} with ${slots} slots, core ${[...versions].join(', ')}` };
}
