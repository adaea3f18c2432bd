/**
 * What the leading scheduler does round after round: see that Redis has not forgotten, look at each open job, decide retries, fill the window, tell
 * watchers, and every now and then sweep for what events missed. All of it is harmless when two do it.
 */
import { isTerminalJobState, type JobId } from '@millrace/protocol';
import { EpochUnknownError, type Finding, type Leadership, type LedgerJobView } from '@millrace/queues';
import { failpoint } from '@millrace/service-kit/failpoints';
import { advanceJob } from './advance-job.ts';
import { CallbackDeliverer } from './callbacks/deliver-callbacks.ts';
import { Circuits } from './circuits.ts';
import type { Control } from './control.ts';
import { ReceiptCounter } from './count-receipts.ts';
import { buryDying, decideRetries } from './decide-retries.ts';
import { Dispatching, fillWindow } from './dispatch.ts';
import type { Loop } from './metrics.ts';
import { applyQueueSettings } from './queue-keeper.ts';
import { OperationDriver } from './redrives/drive-operations.ts';
import { TroubleIndexer } from './redrives/index-trouble.ts';
import { ScalingKeeper } from './scaling-keeper.ts';
import { ScheduleFirer } from './schedules/fire-schedules.ts';
import { flushLateRecords } from './sweepers/late-records.ts';
import { requeueLostTasks } from './sweepers/lost-tasks.ts';
import { rebuildOpenJobs } from './sweepers/open-markers.ts';
import { RetentionSweeper } from './sweepers/retention.ts';
import { closeStalledAttempts } from './sweepers/stalled-attempts.ts';
import { type Moves, markUnmarkedReceipts } from './sweepers/unmarked-receipts.ts';
import { Unowned } from './sweepers/unowned.ts';
import { tellCommands } from './sweepers/untold-commands.ts';
import { GaugeTeller } from './tell-gauges.ts';
import { StatusWriter } from './write-status.ts';

const redisCheckMs = 30_000;
const jobsAtOnce = 16;

export class Leader {
  readonly #control: Control;
  readonly #status: StatusWriter;
  readonly #dispatching = new Dispatching();
  readonly #circuits: Circuits;
  readonly #operations: OperationDriver;
  readonly #trouble: TroubleIndexer;
  readonly #receipts: ReceiptCounter;
  readonly #schedules: ScheduleFirer;
  readonly #callbacks: CallbackDeliverer;
  readonly #scaling: ScalingKeeper;
  readonly #gauges: GaugeTeller;
  readonly #retention: RetentionSweeper;
  /** Something may have been put into the outbox. */
  #isOwed = true;
  readonly #moves: Moves = new Map();
  readonly #ending = new Set<JobId>();
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #checkedAtMs = Number.NEGATIVE_INFINITY;

  constructor(control: Control) {
    this.#control = control;
    this.#status = new StatusWriter(control);
    this.#circuits = new Circuits(control);
    this.#operations = new OperationDriver(control);
    this.#trouble = new TroubleIndexer(control);
    this.#receipts = new ReceiptCounter(control);
    this.#schedules = new ScheduleFirer(control);
    this.#callbacks = new CallbackDeliverer(control);
    this.#scaling = new ScalingKeeper(control);
    this.#gauges = new GaugeTeller(control);
    this.#retention = new RetentionSweeper(control);
  }

  /** One round. Throws what Redis or the journal throw; the next round begins afresh. */
  async round(leadership: Leadership): Promise<void> {
    const { sentinel, ledger } = this.#control.queues;
    const { health, journal } = this.#control;
    void health.lookAtStore(() => journal.readWitness());
    await this.#checkRedis();
    await this.#rebuildIfLost();
    await sentinel.beat();
    await this.#circuits.load();
    await this.#pass('retry', () => decideRetries(this.#circuits, this.#control));
    await failpoint('chunk.13-14');
    const jobs = await this.#pass('advance', async () => this.#advanceAll(await ledger.openJobs()));
    if (!leadership.isLeader()) return;
    await this.#circuits.note(jobs);
    await this.#pass('dispatch', () => fillWindow(jobs, this.#dispatching, this.#circuits, this.#control));
    await this.#status.write(jobs);
    await this.#pass('scaling', () => this.#scaling.round(jobs, this.#circuits, this.#dispatching.pace.perSecond));
    await this.#pass('gauge', () => this.#gauges.round(jobs));
    await this.#pass('cron', () => this.#schedules.round());
    this.#isOwed ||= this.#isTimeToSweep() || jobs.some(({ state }) => isTerminalJobState(state));
    if (this.#isTimeToSweep()) await this.#pass('sweep', () => this.#sweep(jobs));
    await this.#pass('callback', () => this.#callbacks.round(this.#isOwed));
    this.#isOwed = false;
    await this.#trouble.tick();
    this.#receipts.tick(jobs);
    this.#retention.tick();
    await this.#pass('redrive', () => this.#operations.tick());
  }

  /** What goes on beside the rounds has ended. */
  async settle(): Promise<void> {
    await Promise.all([
      this.#trouble.settle(),
      this.#receipts.settle(),
      this.#operations.settle(),
      this.#callbacks.stop(),
      this.#gauges.settle(),
      this.#retention.settle(),
    ]);
  }

  /** A part of a round that went through, and how long it took. */
  async #pass<Result>(loop: Loop, act: () => Promise<Result>): Promise<Result> {
    const { clock, metrics } = this.#control;
    const beganMs = clock.monotonicMs();
    const result = await act();
    metrics.recordPass(loop, clock.nowMs(), (clock.monotonicMs() - beganMs) / 1_000);
    return result;
  }

  async #checkRedis(): Promise<void> {
    const nowMs = this.#control.clock.monotonicMs();
    if (nowMs - this.#checkedAtMs < Math.max(1_000, redisCheckMs * this.#control.times.timeScale)) return;
    // Throws when Redis evicts keys by now: nothing is dispatched until that is put right.
    await this.#control.queues.check();
    this.#checkedAtMs = nowMs;
  }

  async #rebuildIfLost(): Promise<void> {
    const { metrics, health, clock } = this.#control;
    const finding = await this.#control.queues.sentinel.examine();
    if (finding === 'normal') return;
    const beganMs = clock.monotonicMs();
    metrics.recordRebuilding(true);
    health.rebuilding();
    try {
      await this.#beginEpoch(finding);
      await rebuildOpenJobs(this.#control);
      metrics.recordRebuilt(finding === 'lost' ? 'loss' : 'rollback', (clock.monotonicMs() - beganMs) / 1_000);
    } finally {
      metrics.recordRebuilding(false);
      health.rebuilt();
    }
  }

  async #beginEpoch(finding: Exclude<Finding, 'normal'>): Promise<void> {
    const { sentinel } = this.#control.queues;
    const epoch = await sentinel.begin();
    await failpoint('rebuild.2-3');
    await sentinel.examine();
    this.#sweptAtMs = Number.NEGATIVE_INFINITY;
    this.#control.log.warn({ finding, epoch }, 'ledger epoch begun');
  }

  /** Open jobs as they stand now, and those that ended since the last round, so that watchers hear of it. */
  async #advanceAll(open: readonly JobId[]): Promise<LedgerJobView[]> {
    const found: LedgerJobView[] = [];
    const wanted = new Set([...open, ...this.#ending]);
    this.#ending.clear();
    const ids = [...wanted];
    for (let at = 0; at < ids.length; at += jobsAtOnce) {
      const some = await Promise.all(ids.slice(at, at + jobsAtOnce).map((jobId) => this.#advance(jobId)));
      found.push(...some.filter((job) => job !== null));
    }
    return found;
  }

  async #advance(jobId: JobId): Promise<LedgerJobView | null> {
    try {
      const job = await advanceJob(jobId, this.#control);
      if (job === null) return null;
      if (isTerminalJobState(job.state)) await this.#afterEnd(job);
      else this.#ending.add(jobId);
      return job;
    } catch (err) {
      if (err instanceof EpochUnknownError) throw err;
      this.#control.log.warn({ err, jobId }, 'job not advanced');
      this.#ending.add(jobId);
      return null;
    }
  }

  /** Once more after its end: watchers hear of it, and records of attempts that ended late are put. */
  async #afterEnd(job: LedgerJobView): Promise<void> {
    await flushLateRecords(job.jobId, this.#control);
    if (job.stream !== null && !job.sealed) await this.#control.queues.ledger.forgetStreamKeys(job.jobId);
  }

  #isTimeToSweep(): boolean {
    return this.#control.clock.monotonicMs() - this.#sweptAtMs >= this.#control.times.sweepMs;
  }

  async #sweep(jobs: readonly LedgerJobView[]): Promise<void> {
    await applyQueueSettings(this.#control);
    await buryDying(this.#control);
    const unowned = new Unowned();
    for (const job of jobs) {
      await tellCommands(job, this.#control);
      const live = await this.#control.queues.ledger.liveChunks(job.jobId);
      await requeueLostTasks(job, live, unowned, this.#control);
      await closeStalledAttempts(job, live, unowned, this.#control);
      await markUnmarkedReceipts(job, live, this.#moves, this.#control);
      await flushLateRecords(job.jobId, this.#control);
    }
    this.#control.metrics.recordUnowned(unowned.oldestMs === null ? null : this.#control.clock.nowMs() - unowned.oldestMs);
    await rebuildOpenJobs(this.#control);
    await this.#operations.sweep();
    this.#sweptAtMs = this.#control.clock.monotonicMs();
  }
}
