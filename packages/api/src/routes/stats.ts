/** Numbers over HTTP: the overview, series for charts, and what an autoscaler asks. */
import type { statsRoutes, ThroughputView } from '@millrace/api-contract';
import { answerScaling, coarser, type SeriesStep, type SeriesWindow, waitAt } from '@millrace/queues';
import type { Api } from '../api.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { overviewKeeper } from '../steering/overview.ts';
import { perApi } from '../steering/per-api.ts';

const hourMs = 3_600_000;
/** A chart has a few hundred points at most: longer windows are told in wider steps. */
const windows = {
  '15m': { ms: hourMs / 4, by: 1 },
  '1h': { ms: hourMs, by: 1 },
  '6h': { ms: 6 * hourMs, by: 1 },
  '24h': { ms: 24 * hourMs, by: 1 },
  '7d': { ms: 7 * 24 * hourMs, by: 6 },
} as const;

export const statsHandlers: HandlersOf<typeof statsRoutes> = {
  'GET /stats/overview': async ({ query, caller }, api) => ({ status: 200, body: await overviewKeeper(api).read(caller, query.since) }),
  'GET /stats/throughput': async ({ query, caller }, api) => {
    const { ms, by } = windows[query.window];
    return { status: 200, body: throughput(query.window, coarser(await seriesFor(caller, ms, api), by)) };
  },
  'GET /stats/scaling': async ({ query }, api) => {
    const answer = await answerScaling(api.redis.queues().scaling, query.pool);
    if (!answer.ok) throw new ApiProblem(answer.code, answer.message, { details: { pools: answer.pools } });
    return { status: 200, body: answer.scaling };
  },
};

const freshMs = 2_000;

/** Charts of many pages ask for the same: what was read is good for two seconds. */
class SeriesKeeper {
  readonly #api: Api;
  readonly #kept = new Map<string, { readonly atMs: number; readonly window: Promise<SeriesWindow> }>();

  constructor(api: Api) {
    this.#api = api;
  }

  read(tenants: readonly string[], windowMs: number): Promise<SeriesWindow> {
    const nowMs = this.#api.clock.monotonicMs();
    for (const [key, { atMs }] of this.#kept) if (nowMs - atMs > freshMs) this.#kept.delete(key);
    const key = `${windowMs} ${tenants.join(' ')}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known.window;
    const window = this.#api.redis.queues().series.read(tenants, windowMs);
    this.#kept.set(key, { atMs: nowMs, window });
    window.catch(() => this.#kept.delete(key));
    return window;
  }
}

const seriesKeeper = perApi((api) => new SeriesKeeper(api));

async function seriesFor(caller: Caller, windowMs: number, api: Api): Promise<SeriesWindow> {
  const tenants = (await api.redis.queues().series.tenants()).filter((tenant) => mayReach(caller, tenant));
  return seriesKeeper(api).read(tenants, windowMs);
}

function throughput(window: ThroughputView['window'], { stepMs, steps }: SeriesWindow): ThroughputView {
  const each = (pick: (step: SeriesStep) => number): number[] => steps.map(pick);
  const waits = (share: number): (number | null)[] => steps.map((step) => waitAt(step.waits, share));
  return {
    window,
    startedAt: new Date(steps[0]?.startMs ?? 0).toISOString(),
    stepSeconds: stepMs / 1_000,
    steps: steps.length,
    bytesIn: each(({ counts }) => counts.bytesIn),
    bytesOut: each(({ counts }) => counts.bytesOut),
    records: {
      emitted: each(({ counts }) => counts.emitted),
      filtered: each(({ counts }) => counts.filtered),
      deduplicated: each(({ counts }) => counts.deduplicated),
      rejected: each(({ counts }) => counts.rejected),
    },
    attempts: {
      committed: each(({ counts }) => counts.committed),
      failed: each(({ counts }) => counts.failed),
      lost: each(({ counts }) => counts.lost),
      released: each(({ counts }) => counts.released),
    },
    dead: each(({ counts }) => counts.dead),
    waitP50Ms: waits(0.5),
    waitP95Ms: waits(0.95),
  };
}
