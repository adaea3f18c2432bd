/** Where live events come from: the stream of jobs that schedulers write, and looks at what Redis and the registry hold, compared with the look before. */
import type { QueueView, WorkerSummary } from '@millrace/api-contract';
import type { JobId, JobStatus } from '@millrace/protocol';
import { isRedisFault, type Queues } from '@millrace/queues';
import type { Api } from '../api.ts';
import { allQueues } from '../routes/queues.ts';
import { allWorkers } from '../routes/workers.ts';
import { everybody } from '../steering/everybody.ts';
import { operationsOf, operationView } from '../steering/operations-reader.ts';
import { errorGroupsNow } from '../steering/overview.ts';
import { ChunkSource } from './chunk-source.ts';
import type { Change, Reaches } from './hub.ts';

export interface Source {
  readonly name: string;
  /** What has changed since the last look; nothing the first time. `tick` counts half seconds. */
  look(topics: ReadonlySet<string>, tick: number): Promise<readonly Change[]>;
  /** Nobody listened for a while: the next look is a first one. */
  forget(): void;
}

export function makeSources(api: Api): readonly Source[] {
  return [
    new NoticeSource(api),
    new JobSource(api),
    new ChunkSource(api),
    new LookSource('operations', 4, () => operationChanges(api)),
    new LookSource('workers', 4, () => workerChanges(api)),
    new LookSource('queues', 4, () => queueChanges(api)),
    new LookSource('errors', 6, () => errorChanges(api)),
    new LookSource('deadLetters', 6, () => letterChanges(api)),
  ];
}

/** What a look found: each thing with whose it is (null: everybody's) and the text by which a change is known. */
interface Seen {
  readonly items: ReadonlyMap<string, { readonly tenant: string | null; readonly value: unknown; readonly mark: string }>;
  /** The event that is made of what has changed, and of what is there no more. */
  readonly changeOf: (changed: readonly string[], gone: readonly string[]) => Omit<Change, 'topic'>;
}

/** Looks every so many ticks, less often when a look takes long: at most a tenth of the time is spent on it. */
class LookSource implements Source {
  readonly name: string;
  readonly #everyTicks: number;
  readonly #see: () => Promise<Seen>;
  #marks: Map<string, string> | null = null;
  #nextTick = 0;

  constructor(name: string, everyTicks: number, see: () => Promise<Seen>) {
    this.name = name;
    this.#everyTicks = everyTicks;
    this.#see = see;
  }

  async look(topics: ReadonlySet<string>, tick: number): Promise<readonly Change[]> {
    if (!topics.has(this.name)) {
      this.#marks = null;
      return [];
    }
    if (tick < this.#nextTick) return [];
    const startMs = performance.now();
    const seen = await this.#see();
    this.#nextTick = tick + Math.max(this.#everyTicks, Math.ceil((performance.now() - startMs) / 50));
    const before = this.#marks;
    this.#marks = new Map([...seen.items].map(([id, { mark }]) => [id, mark]));
    if (before === null) return [];
    const changed = [...seen.items].flatMap(([id, { mark }]) => (before.get(id) === mark ? [] : [id]));
    const gone = [...before.keys()].filter((id) => !seen.items.has(id));
    return changed.length + gone.length === 0 ? [] : [{ topic: this.name, ...seen.changeOf(changed, gone) }];
  }

  forget(): void {
    this.#marks = null;
  }
}

/** Items that a caller may see, or null when there is none. */
function itemsFor(seen: Seen['items'], ids: readonly string[]): (reaches: Reaches) => { items: unknown[] } | null {
  return (reaches) => {
    const items = ids.flatMap((id) => {
      const item = seen.get(id);
      return item === undefined || (item.tenant !== null && !reaches(item.tenant)) ? [] : [item.value];
    });
    return items.length === 0 ? null : { items };
  };
}

async function operationChanges(api: Api): Promise<Seen> {
  const items = new Map(
    (await operationsOf(api).all(everybody)).map((found) => {
      const view = operationView(found);
      return [view.operationId, { tenant: view.tenant, value: view, mark: JSON.stringify([view.version, view.state, view.counts, view.rate]) }] as const;
    }),
  );
  return { items, changeOf: (changed) => ({ event: 'operation', dataFor: itemsFor(items, changed) }) };
}

async function workerChanges(api: Api): Promise<Seen> {
  const views = await allWorkers({ tenants: null }, api);
  const items = new Map(views.map((view) => [view.workerId, { tenant: null, value: view, mark: markOf(view) }] as const));
  const tenants = await tenantsOf(views, api);
  return {
    items,
    changeOf: (changed, gone) => ({
      event: 'worker',
      dataFor: (reaches) => ({ items: views.filter(({ workerId }) => changed.includes(workerId)).map((view) => cut(view, tenants, reaches)), gone }),
    }),
  };
}

/** A beat alone is no change. */
function markOf({ heartbeatAt: _, heartbeatAgeMs: __, memoryBytes: ___, attempts, ...rest }: WorkerSummary): string {
  return JSON.stringify([rest, attempts.map(({ attemptId }) => attemptId)]);
}

async function tenantsOf(views: readonly WorkerSummary[], api: Api): Promise<ReadonlyMap<JobId, string>> {
  const ids = new Set(views.flatMap(({ attempts }) => attempts.map(({ jobId }) => jobId)));
  const found = await Promise.all([...ids].map(async (jobId) => [jobId, (await api.jobs.record(jobId))?.tenant ?? ''] as const));
  return new Map(found);
}

/** Attempts at jobs of other tenants are nobody's business. */
function cut(view: WorkerSummary, tenants: ReadonlyMap<JobId, string>, reaches: Reaches): WorkerSummary {
  return { ...view, attempts: view.attempts.filter(({ jobId }) => reaches(tenants.get(jobId) ?? '')) };
}

async function queueChanges(api: Api): Promise<Seen> {
  const items = new Map((await allQueues(api)).map((view) => [view.name, { tenant: null, value: view, mark: queueMark(view) }] as const));
  return { items, changeOf: (changed) => ({ event: 'queue', dataFor: itemsFor(items, changed) }) };
}

/** Rates and times that follow from the counts are no change by themselves. */
function queueMark({ endedPerSecond: _, waitP95Ms: __, emptyInSeconds: ___, ...rest }: QueueView): string {
  return JSON.stringify(rest);
}

async function errorChanges(api: Api): Promise<Seen> {
  const items = new Map(
    (await errorGroupsNow(api)).map(({ tenant, group }) => {
      const { fingerprint, code, state, failures, dead, firstSeenAt, lastSeenAt } = group;
      const value = { fingerprint, code, state, failures, dead, firstSeenAt, lastSeenAt };
      return [`${tenant}.${fingerprint}`, { tenant, value, mark: JSON.stringify(value) }] as const;
    }),
  );
  return { items, changeOf: (changed) => ({ event: 'errorGroup', dataFor: itemsFor(items, changed) }) };
}

async function letterChanges(api: Api): Promise<Seen> {
  const { ledger } = api.redis.queues();
  const jobs = await ledger.troubledJobs();
  const open = new Map<string, { tenant: string; value: { jobId: JobId; open: number }; mark: string }>();
  for (const { jobId, tenant } of jobs) {
    const count = await ledger.letterCount(jobId);
    open.set(jobId, { tenant, value: { jobId, open: count }, mark: String(count) });
  }
  return {
    items: open,
    changeOf: (changed, gone) => ({
      event: 'deadLetter',
      dataFor: (reaches) => {
        const own = [...open.values()].filter(({ tenant }) => reaches(tenant));
        const items = own.filter(({ value }) => changed.includes(value.jobId)).map(({ value }) => value);
        return items.length === 0 && gone.length === 0 ? null : { items, open: own.reduce((sum, { value }) => sum + value.open, 0) };
      },
    }),
  };
}

/** The newest status of each job that schedulers told of, together once a tick. */
class JobSource implements Source {
  readonly name = 'jobs';
  readonly #api: Api;
  #after: string | null = null;
  readonly #waiting = new Map<JobId, { readonly tenant: string; readonly status: JobStatus }>();

  constructor(api: Api) {
    this.#api = api;
  }

  async look(topics: ReadonlySet<string>, tick: number): Promise<readonly Change[]> {
    const isAll = topics.has('jobs');
    const single = [...topics].flatMap((topic) => (topic.startsWith('job:') ? [topic.slice(4) as JobId] : []));
    if (!isAll && single.length === 0) {
      this.forget();
      return [];
    }
    const { events } = this.#api.redis.queues();
    this.#after ??= await events.lastIdOfAll();
    const heard = new Map<JobId, { readonly tenant: string; readonly status: JobStatus }>();
    for (;;) {
      const found = await events.eventsOfAll(this.#after, 1_000);
      for (const { tenant, jobId, event } of found) {
        if ('status' in event) heard.set(jobId, { tenant, status: event.status });
        this.#after = event.id;
      }
      if (found.length < 1_000) break;
    }
    for (const [jobId, one] of heard) if (single.includes(jobId)) this.#waiting.set(jobId, one);
    const changes: Change[] = [];
    if (isAll && heard.size > 0) changes.push({ topic: 'jobs', event: 'job', dataFor: jobsFor([...heard.values()]) });
    // A topic of one job has events of its chunks in the other ticks.
    if (tick % 2 === 0) {
      for (const [jobId, one] of this.#waiting) changes.push({ topic: `job:${jobId}`, event: 'job', dataFor: jobsFor([one]) });
      this.#waiting.clear();
    }
    return changes;
  }

  forget(): void {
    this.#after = null;
    this.#waiting.clear();
  }
}

function jobsFor(jobs: readonly { readonly tenant: string; readonly status: JobStatus }[]): Change['dataFor'] {
  return (reaches) => {
    const items = jobs.filter(({ tenant }) => reaches(tenant)).map(({ status }) => status);
    return items.length === 0 ? null : { items };
  };
}

/** A Redis that has not answered for so long is away as far as anybody can tell. */
const answerMs = 4_000;

type Trouble = 'REDIS_UNAVAILABLE' | 'REBUILDING' | 'NO_LEADER';

const sentences = {
  REDIS_UNAVAILABLE: ['Redis is away: pages are read from the journal, acts must wait', 'Redis is back'],
  REBUILDING: ['the ledger is being rebuilt from the journal: counts are not complete', 'the ledger is whole again'],
  NO_LEADER: ['no scheduler leads: nothing is dispatched', 'a scheduler leads again'],
} as const;

/** Text for a banner, to every stream whatever it listens to: when something begins to be wrong, and when it is over. */
class NoticeSource implements Source {
  readonly name = 'notices';
  readonly #api: Api;
  #wrong: Trouble | null = null;
  #leader: string | null = null;

  constructor(api: Api) {
    this.#api = api;
  }

  async look(_topics: ReadonlySet<string>, tick: number): Promise<readonly Change[]> {
    if (tick % 2 === 1) return [];
    const { wrong, leader } = await this.#examine();
    const changes: Change[] = [];
    if (wrong !== this.#wrong) {
      if (this.#wrong !== null) changes.push(notice(this.#wrong, true, sentences[this.#wrong][1]));
      if (wrong !== null) changes.push(notice(wrong, false, sentences[wrong][0]));
    }
    if (leader !== null && this.#leader !== null && leader !== this.#leader) changes.push(notice('LEADER_CHANGED', true, 'another scheduler leads now'));
    this.#wrong = wrong;
    this.#leader = leader ?? this.#leader;
    return changes;
  }

  async #examine(): Promise<{ wrong: Trouble | null; leader: string | null }> {
    const queues = this.#api.redis.found;
    if (queues === null) return { wrong: 'REDIS_UNAVAILABLE', leader: null };
    const late = { wrong: 'REDIS_UNAVAILABLE', leader: null } as const;
    try {
      return await Promise.race([this.#ask(queues), this.#api.clock.sleep(answerMs).then(() => late)]);
    } catch (error) {
      if (isRedisFault(error)) return late;
      throw error;
    }
  }

  async #ask(queues: Queues): Promise<{ wrong: Trouble | null; leader: string | null }> {
    const [leader, sentinel] = await Promise.all([queues.leader.holder(), queues.sentinel.read()]);
    if (sentinel === null || !(await queues.ledger.isIndexed())) return { wrong: 'REBUILDING', leader };
    return { wrong: leader === null ? 'NO_LEADER' : null, leader };
  }

  forget(): void {
    this.#leader = null;
  }
}

function notice(code: Trouble | 'LEADER_CHANGED', ok: boolean, message: string): Change {
  return { topic: '*', event: 'notice', dataFor: () => ({ code, ok, message }) };
}
