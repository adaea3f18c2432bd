/** Task queues as people see them: what BullMQ holds, who takes from them, how people set them, and how much lies behind the window. */
import type { QueueView } from '@millrace/api-contract';
import { type PostedScaling, parseQueueName, type QueueName, type QueueSetting, workKinds, workQueueName } from '@millrace/protocol';
import { type Queues, readPosted, sumOfSteps, type WorkerView, waitAt } from '@millrace/queues';

const rateWindowMs = 60_000;

/** What every view of one look shares. */
interface Look {
  readonly hosts: readonly WorkerView[];
  readonly hasLeader: boolean;
  readonly settings: ReadonlyMap<string, { readonly setting: QueueSetting; readonly version: number }>;
  readonly scaling: ReadonlyMap<string, PostedScaling>;
  readonly endedPerSecond: number;
  readonly waitP95Ms: number | null;
}

/** Settings as the registry has them, with their versions. */
export type SettingsReader = () => Promise<ReadonlyMap<string, { readonly setting: QueueSetting; readonly version: number }>>;

export async function queueViews(queues: Queues, readSettings: SettingsReader): Promise<QueueView[]> {
  const look = await lookAround(queues, readSettings);
  const named = new Set<QueueName>(['intake', ...(await queues.tasks.names())]);
  for (const { pool, resultVersion } of look.hosts) for (const kind of workKinds) named.add(workQueueName(kind, pool, resultVersion));
  const views = await Promise.all([...named].map((name) => viewOf(name, look, queues)));
  // Queues of a version that nobody runs any more are of no interest once they are empty.
  return views.filter((view) => isOfInterest(view, look)).sort((a, b) => order(a) - order(b) || (a.name < b.name ? -1 : 1));
}

const order = ({ kind }: QueueView): number => ['chunk', 'plan', 'finish', 'intake'].indexOf(kind);

function isOfInterest(view: QueueView, { scaling }: Look): boolean {
  if (view.kind === 'intake' || view.waiting + view.active + view.consumers > 0 || view.paused || view.version > 0) return true;
  return [...scaling.values()].some(({ pool, resultVersion }) => pool === view.pool && resultVersion === view.resultVersion);
}

async function lookAround(queues: Queues, readSettings: SettingsReader): Promise<Look> {
  const [hosts, leader, settings, tenants] = await Promise.all([queues.workers.list(), queues.leader.holder(), readSettings(), queues.series.tenants()]);
  const scaling = new Map<string, PostedScaling>();
  for (const pool of await queues.scaling.pools()) {
    const posted = await readPosted(queues.scaling, pool);
    if (posted !== null) scaling.set(pool, posted.scaling);
  }
  const lately = sumOfSteps((await queues.series.read(tenants, rateWindowMs)).steps);
  const ended = lately.counts.committed + lately.counts.failed + lately.counts.lost;
  return { hosts, hasLeader: leader !== null, settings, scaling, endedPerSecond: (ended * 1_000) / rateWindowMs, waitP95Ms: waitAt(lately.waits, 0.95) };
}

async function viewOf(name: QueueName, look: Look, queues: Queues): Promise<QueueView> {
  const parts = parseQueueName(name);
  const { waiting, active, oldestEnqueuedAtMs, paused } = await queues.tasks.look(name);
  const known = look.settings.get(name) ?? null;
  const head = {
    name,
    kind: parts.kind,
    waiting,
    active,
    oldestEnqueuedAt: oldestEnqueuedAtMs === null ? null : new Date(oldestEnqueuedAtMs).toISOString(),
    paused: paused || known?.setting.paused === true,
    maxConcurrency: known?.setting.maxConcurrency ?? null,
    setting: known === null ? null : { reason: known.setting.reason, by: known.setting.by, at: known.setting.at },
    version: known?.version ?? 0,
  };
  const nothing = { windowLimit: null, backlog: null, endedPerSecond: null, waitP95Ms: null, emptyInSeconds: null };
  if (parts.kind === 'intake') return { ...head, ...nothing, pool: null, resultVersion: null, consumers: look.hasLeader ? 1 : 0, slots: 0 };
  const { pool, resultVersion, kind } = parts;
  const takers = look.hosts.filter((host) => host.pool === pool && host.resultVersion === resultVersion && !host.draining);
  const slots = takers.reduce((sum, host) => sum + host.slots, 0);
  const place = { pool, resultVersion, consumers: takers.length, slots };
  const scaling = look.scaling.get(pool);
  if (kind !== 'chunk' || scaling?.resultVersion !== resultVersion) return { ...head, ...nothing, ...place };
  const sum = (pick: (band: PostedScaling['bands'][number]) => number): number => scaling.bands.reduce((total, band) => total + pick(band), 0);
  const backlog = { chunks: sum(({ chunks }) => chunks), bytes: sum(({ bytes }) => bytes), workSeconds: Math.round(sum(({ workSeconds }) => workSeconds)) };
  const rate = look.endedPerSecond;
  return {
    ...head,
    ...place,
    windowLimit: scaling.windowLimit,
    backlog,
    endedPerSecond: rate,
    waitP95Ms: look.waitP95Ms,
    emptyInSeconds: backlog.chunks === 0 ? 0 : rate > 0 ? Math.ceil(backlog.chunks / rate) : null,
  };
}
