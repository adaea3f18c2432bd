/** Tells watchers: the status of each open job at most once a second, an event when its state changes, progress when its counts do. */
import { isTerminalJobState, type JobId, type JobStatus, type QueueSetting, type TerminalJobState, workQueueName } from '@millrace/protocol';
import type { LedgerJobView } from '@millrace/queues';
import { activeMs } from './active-time.ts';
import type { Control } from './control.ts';
import { statusOfJob } from './read-status.ts';

/** Weight of the newest figure in the running mean. */
const newestWeight = 0.3;

interface Seen {
  readonly revision: number;
  readonly state: string;
  readonly generation: number;
  readonly atMs: number;
  readonly bytesIn: number;
  readonly bytesPerSecond: number;
  readonly waitingFor: string | null;
}

export class StatusWriter {
  readonly #control: Control;
  readonly #seen = new Map<JobId, Seen>();

  constructor(control: Control) {
    this.#control = control;
  }

  async write(jobs: readonly LedgerJobView[]): Promise<void> {
    const slots = await this.#control.queues.workers.slots(this.#control.pool, this.#control.resultVersion);
    const settings = await this.#control.queues.settings.all();
    for (const job of jobs) await this.#writeOne(job, waitingFor(job, slots, settings));
  }

  async #writeOne(job: LedgerJobView, waiting: string | null): Promise<void> {
    const nowMs = this.#control.clock.monotonicMs();
    const seen = this.#seen.get(job.jobId);
    const isSame = seen?.revision === job.revision && seen.generation === job.generation && seen.waitingFor === waiting;
    const isNewState = seen === undefined || seen.generation !== job.generation || seen.state !== stateOf(job);
    if (!isNewState && (isSame || nowMs - seen.atMs < 1_000)) return;
    const bytesPerSecond = speedOf(job, seen, nowMs);
    const status = await statusOfJob(job, { bytesPerSecond, waitingFor: waiting }, this.#control);
    const { events } = this.#control.queues;
    await events.writeStatus(job.tenant, status);
    await events.publish(job.tenant, job.jobId, { type: isNewState ? 'state' : 'progress', at: this.#control.clock.nowIso(), status });
    if (isNewState) this.#logState(status);
    if (isNewState && isTerminalJobState(job.state)) await this.#countEnd(job, job.state);
    if (isTerminalJobState(job.state)) this.#seen.delete(job.jobId);
    else
      this.#seen.set(job.jobId, {
        revision: job.revision,
        state: stateOf(job),
        generation: job.generation,
        atMs: nowMs,
        bytesIn: job.sums.bytesIn,
        bytesPerSecond,
        waitingFor: waiting,
      });
  }

  async #countEnd(job: LedgerJobView, state: TerminalJobState): Promise<void> {
    const { journal, clock, metrics } = this.#control;
    const commands = await journal.readCommands(job.jobId);
    metrics.recordFinished(job.name, state, activeMs(job, commands, clock.nowMs()), job.failure?.code ?? null);
  }

  #logState(status: JobStatus): void {
    const { jobId, state, generation, failure } = status;
    this.#control.log.info({ jobId, state, generation, ...(failure ? { code: failure.code } : {}) }, 'job state changed');
  }
}

function stateOf(job: LedgerJobView): string {
  return job.paused ? 'paused' : job.state;
}

function speedOf(job: LedgerJobView, seen: Seen | undefined, nowMs: number): number {
  if (seen === undefined || nowMs <= seen.atMs) return seen?.bytesPerSecond ?? 0;
  const newest = Math.max(0, job.sums.bytesIn - seen.bytesIn) / ((nowMs - seen.atMs) / 1_000);
  return seen.bytesPerSecond === 0 ? newest : seen.bytesPerSecond * (1 - newestWeight) + newest * newestWeight;
}

function waitingFor(job: LedgerJobView, slots: number, settings: ReadonlyMap<string, QueueSetting>): string | null {
  if (job.paused || isTerminalJobState(job.state)) return null;
  if (slots === 0) return `a worker host of pool ${job.pool}`;
  const queue = workQueueName('chunk', job.pool, job.resultVersion);
  if (settings.get(queue)?.paused === true) return `queue ${queue}, which is paused`;
  const { release, chunks } = job;
  const isHeld = release !== null && release.started >= release.limit && chunks.queued + chunks.running + chunks.retrying === 0;
  return isHeld ? 'an operation that lets its chunks begin a few at a time' : null;
}
