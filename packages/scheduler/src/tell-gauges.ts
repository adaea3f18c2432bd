/**
 * Gauges about the whole installation, kept by the leader between its rounds so that a scrape asks nobody: queues and Redis every few seconds, dead letters
 * and error groups, which take a look at each job in trouble, less often and beside the rounds.
 */
import { isTerminalJobState, type JobId, workKinds, workQueueName } from '@millrace/protocol';
import { EpochUnknownError, type LedgerJobView } from '@millrace/queues';
import type { Control } from './control.ts';
import type { ChunkStateLabel, OpenState, QueueLabel } from './metrics.ts';
import { groupsOfTenant } from './redrives/answer-trouble.ts';

const queuesEveryMs = 5_000;
const troubleEveryMs = 30_000;
const leastEveryMs = 1_000;

export class GaugeTeller {
  readonly #control: Control;
  #queuesAtMs = Number.NEGATIVE_INFINITY;
  #troubleAtMs = Number.NEGATIVE_INFINITY;
  /** When error groups were last looked at, as people's clocks have it; null: not yet, so nothing is new. */
  #groupsSeenAt: string | null = null;
  #looking: Promise<void> | null = null;

  constructor(control: Control) {
    this.#control = control;
  }

  /** In each round: what the round knows already, and now and then what must be asked for. */
  async round(jobs: readonly LedgerJobView[]): Promise<void> {
    const { metrics, clock, times } = this.#control;
    for (const { name } of jobs) metrics.knowJob(name);
    metrics.recordOpenJobs(countJobs(jobs), countChunks(jobs));
    const nowMs = clock.monotonicMs();
    const isDue = (atMs: number, everyMs: number): boolean => nowMs - atMs >= Math.max(leastEveryMs, everyMs * times.timeScale);
    if (isDue(this.#queuesAtMs, queuesEveryMs)) {
      this.#queuesAtMs = nowMs;
      await this.#tellQueues(jobs);
    }
    if (this.#looking === null && isDue(this.#troubleAtMs, troubleEveryMs)) {
      this.#troubleAtMs = nowMs;
      this.#looking = this.#tellTrouble().finally(() => {
        this.#looking = null;
      });
    }
  }

  async settle(): Promise<void> {
    await this.#looking;
  }

  async #tellQueues(jobs: readonly LedgerJobView[]): Promise<void> {
    const { queues, metrics, clock } = this.#control;
    const beforeMs = clock.nowMs();
    const redisMs = await queues.time();
    metrics.recordClockOffset((beforeMs + clock.nowMs()) / 2 - redisMs);
    metrics.recordRedisMemory(await queues.memory());
    const hosts = (await queues.workers.list()).filter(({ pool, draining }) => pool === this.#control.pool && !draining);
    await this.#tellQueue('intake', ['intake'], 1);
    // Jobs that were pinned to another result version have queues of their own; the label has room for the pool alone.
    const versions = new Set([this.#control.resultVersion, ...jobs.map(({ resultVersion }) => resultVersion)]);
    for (const kind of workKinds) {
      const names = [...versions].map((version) => workQueueName(kind, this.#control.pool, version));
      await this.#tellQueue(kind, names, hosts.length);
    }
  }

  async #tellQueue(queue: QueueLabel, names: readonly Parameters<Control['queues']['tasks']['counts']>[0][], consumers: number): Promise<void> {
    const { tasks } = this.#control.queues;
    const looks = await Promise.all(names.map((name) => tasks.look(name)));
    const oldest = looks.flatMap(({ oldestEnqueuedAtMs }) => (oldestEnqueuedAtMs === null ? [] : [oldestEnqueuedAtMs]));
    this.#control.metrics.recordQueue({
      queue,
      waiting: looks.reduce((sum, look) => sum + look.waiting, 0),
      active: looks.reduce((sum, look) => sum + look.active, 0),
      oldestEnqueuedMs: oldest.length === 0 ? null : Math.min(...oldest),
      consumers,
      isPaused: looks.every(({ paused }) => paused),
    });
  }

  /** Of all tenants. Until the index is complete nothing is told: a part would be taken for the whole. */
  async #tellTrouble(): Promise<void> {
    const { queues, metrics, log, clock } = this.#control;
    try {
      if (!(await queues.ledger.isIndexed())) return;
      const seenAt = clock.nowIso();
      const jobs = await queues.ledger.troubledJobs();
      const letters = await this.#countLetters(jobs.map(({ jobId }) => jobId));
      metrics.recordOpenLetters(letters.byClass, letters.oldestMs);
      const byState = new Map<string, number>();
      let appeared = 0;
      for (const tenant of new Set(jobs.map((job) => job.tenant))) {
        for (const group of await groupsOfTenant(tenant, this.#control)) {
          byState.set(group.state, (byState.get(group.state) ?? 0) + 1);
          if (this.#groupsSeenAt !== null && group.firstSeenAt > this.#groupsSeenAt) appeared++;
        }
      }
      metrics.recordErrorGroups(byState, appeared);
      this.#groupsSeenAt = seenAt;
    } catch (err) {
      if (!(err instanceof EpochUnknownError)) log.warn({ err }, 'dead letters not counted');
    }
  }

  async #countLetters(jobIds: readonly JobId[]): Promise<{ byClass: Map<string, number>; oldestMs: number | null }> {
    const byClass = new Map<string, number>();
    let oldestMs: number | null = null;
    for (const jobId of jobIds) {
      for await (const letters of this.#control.queues.ledger.scanLetters(jobId)) {
        for (const { class: failureClass, diedAt } of letters) {
          byClass.set(failureClass, (byClass.get(failureClass) ?? 0) + 1);
          oldestMs = Math.min(oldestMs ?? Number.POSITIVE_INFINITY, Date.parse(diedAt));
        }
      }
    }
    return { byClass, oldestMs };
  }
}

function countJobs(jobs: readonly LedgerJobView[]): Map<OpenState, number> {
  const counts = new Map<OpenState, number>();
  for (const { state, paused } of jobs) {
    if (isTerminalJobState(state)) continue;
    const shown: OpenState = paused ? 'paused' : state;
    counts.set(shown, (counts.get(shown) ?? 0) + 1);
  }
  return counts;
}

/** What a paused job has queued or waiting for a retry goes nowhere. */
function countChunks(jobs: readonly LedgerJobView[]): Map<ChunkStateLabel, number> {
  const counts = new Map<ChunkStateLabel, number>();
  const add = (state: ChunkStateLabel, more: number): void => void counts.set(state, (counts.get(state) ?? 0) + more);
  for (const { state, paused, chunks } of jobs) {
    if (isTerminalJobState(state)) continue;
    add('pending', chunks.pending + (paused ? chunks.queued + chunks.retrying : 0));
    add('queued', paused ? 0 : chunks.queued);
    add('retrying', paused ? 0 : chunks.retrying);
    add('running', chunks.running);
    add('dead', chunks.dead);
  }
  return counts;
}
