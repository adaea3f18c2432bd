/** Asks the scaling rule every two seconds and posts its answer, with every term, for the api, for autoscalers and for metrics. The leader's alone. */
import { bandTargets, type PostedScaling, workKinds, workQueueName } from '@millrace/protocol';
import type { LedgerJobView, WorkerView } from '@millrace/queues';
import type { Circuits } from './circuits.ts';
import type { Control } from './control.ts';
import { JobPace } from './job-pace.ts';
import { decideScaling, type InHand, type PoolSettings } from './scaling.ts';
import { hostsOf, scalingFacts } from './scaling-facts.ts';
import { windowSize } from './window.ts';

const everyMs = 2_000;
/** What a new host needs until it takes its first task: retries that are due by then count. */
const podStartMs = 20_000;
/** Of hosts nobody has told of. */
const assumedSlots = 4;

/** Sizes of a pool as far as they were set up; without `slotsPerPod` it is that of the hosts there are. */
export type PoolSizes = Partial<PoolSettings>;

export class ScalingKeeper {
  readonly #control: Control;
  readonly #pace = new JobPace();
  #atMs = Number.NEGATIVE_INFINITY;
  #last: PostedScaling | null = null;

  constructor(control: Control) {
    this.#control = control;
  }

  /** As last posted by this leader; null before. */
  get last(): PostedScaling | null {
    return this.#last;
  }

  async round(jobs: readonly LedgerJobView[], circuits: Circuits, chunksPerSecond: number): Promise<void> {
    const { clock, times } = this.#control;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#atMs < Math.max(100, everyMs * times.timeScale)) return;
    this.#atMs = nowMs;
    this.#pace.note(jobs, nowMs);
    const posted = await this.#decide(jobs, circuits, chunksPerSecond);
    const { scaling, tasks } = this.#control.queues;
    this.#control.metrics.recordScaling(posted);
    await scaling.post(posted.pool, JSON.stringify(posted));
    await tasks.remember(['intake', ...queuesOf(jobs, this.#control)]);
    await this.#noteDecision(posted);
    this.#last = posted;
  }

  async #decide(jobs: readonly LedgerJobView[], circuits: Circuits, chunksPerSecond: number): Promise<PostedScaling> {
    const { queues, pool, resultVersion, tenants } = this.#control;
    const hosts = await queues.workers.list();
    const own = hostsOf(hosts, { pool, resultVersion });
    const settings = settingsOf(this.#control.poolSizes, own);
    const openCircuits = new Set<string>();
    for (const job of jobs) if ((await circuits.roomOf(job)) === 0) openCircuits.add(job.jobId);
    const isRetrying = jobs.some(({ chunks }) => chunks.retrying > 0);
    const dueRetries = isRetrying ? await queues.ledger.retriesDueWithin(podStartMs * this.#control.times.timeScale) : new Map<string, number>();
    const isQueuePaused = (await queues.settings.all()).get(workQueueName('chunk', pool, resultVersion))?.paused === true;
    const long = await this.#longAttempts(jobs, own);
    const facts = scalingFacts({ settings, pool, resultVersion, jobs, hosts, pace: this.#pace, tenants, dueRetries, openCircuits, isQueuePaused, long });
    const slots = own.filter(({ draining }) => !draining).reduce((sum, host) => sum + host.slots, 0);
    const decided = decideScaling(facts);
    return {
      pool,
      coreVersion: own[0]?.coreVersion ?? null,
      resultVersion,
      ...decided,
      bands: [...decided.bands],
      ...settings,
      podsReady: own.filter(({ draining }) => !draining).length,
      podsDraining: own.filter(({ draining }) => draining).length,
      windowLimit: windowSize(slots, chunksPerSecond),
      isRebuilding: jobs.some(({ rebuilding }) => rebuilding),
    };
  }

  /** Attempts that may outlast a target. Chunks are looked at one by one only where they take longer than the shortest target. */
  async #longAttempts(jobs: readonly LedgerJobView[], own: readonly WorkerView[]): Promise<InHand[]> {
    const draining = new Set(own.filter((host) => host.draining).map(({ worker }) => worker));
    const found: InHand[] = [];
    for (const job of jobs) {
      const seconds = this.#pace.secondsPerChunk(job);
      if (job.chunks.running === 0 || seconds <= bandTargets.interactive) continue;
      for (const { attempt, bytes } of await this.#control.queues.ledger.liveChunks(job.jobId)) {
        if (attempt === null || draining.has(attempt.worker)) continue;
        const expected = (seconds * bytes) / Math.max(1, job.bytesPlanned / Math.max(1, job.chunks.total));
        const done = bytes === 0 ? 0 : Math.min(1, attempt.bytesDone / bytes);
        const elapsed = (this.#control.clock.nowMs() - Date.parse(attempt.startedAt)) / 1_000;
        const leftSeconds = done > 0 ? expected * (1 - done) : Math.max(0, expected - elapsed);
        found.push({ jobId: job.jobId, tenant: job.tenant, leftSeconds });
      }
    }
    return found;
  }

  async #noteDecision(now: PostedScaling): Promise<void> {
    const before = this.#last;
    if (before !== null && before.podsWanted === now.podsWanted && before.limitedBy === now.limitedBy) return;
    const { podsWanted, slotsWanted, inHand, podsReady, limitedBy, bands, pool } = now;
    const workSeconds = Math.round(bands.reduce((sum, band) => sum + band.workSeconds, 0));
    const decision = { at: this.#control.clock.nowIso(), podsWanted, slotsWanted, inHand, podsReady, limitedBy, workSeconds };
    await this.#control.queues.scaling.noteDecision(pool, JSON.stringify(decision));
  }
}

function settingsOf(sizes: PoolSizes, own: readonly WorkerView[]): PoolSettings {
  const slots = own.length === 0 ? assumedSlots : Math.max(1, ...own.map((host) => host.slots));
  return { slotsPerPod: sizes.slotsPerPod ?? slots, minPods: sizes.minPods ?? 1, maxPods: sizes.maxPods ?? 50, maxSlots: sizes.maxSlots ?? null };
}

/** Queues of the pool, and those that open jobs are pinned to. */
function queuesOf(jobs: readonly LedgerJobView[], { pool, resultVersion }: Control) {
  const places = new Map([{ pool, resultVersion }, ...jobs].map((one) => [`${one.pool} ${one.resultVersion}`, { pool: one.pool, version: one.resultVersion }]));
  return [...places.values()].flatMap((place) => workKinds.map((kind) => workQueueName(kind, place.pool, place.version)));
}
