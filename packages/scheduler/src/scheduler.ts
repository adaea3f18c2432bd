/**
 * The scheduler as a service: serves requests from its first moment, competes for the lead, and while it leads goes round after round. A nudge (an
 * attempt ended, a job came) only makes the next round come at once; nothing depends on it.
 */

import { EpochUnknownError, type Leadership, type TaskConsumer } from '@millrace/queues';
import type { Service } from '@millrace/service-kit';
import { service } from '@millrace/service-kit';
import { consumeRequests } from './answer-requests.ts';
import type { Control } from './control.ts';
import { Leader } from './leader.ts';

/** A nudge does not begin a round sooner than this after the last one. */
const leastPauseMs = 20;

/** Starts serving and competing when started; gives the lead back when stopped. The parts in `control` stay open: they are the caller's. */
export function schedulerService(control: Control): Service {
  const run = new SchedulerRun(control);
  return service(
    'scheduler',
    () => run.start(),
    () => run.stop(),
  );
}

class SchedulerRun {
  readonly #control: Control;
  readonly #leader: Leader;
  readonly #stopping = new AbortController();
  #consumer: TaskConsumer | null = null;
  #leadership: Leadership | null = null;
  #stopNudges: (() => void) | null = null;
  #loop: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #isNudged = false;
  #wasLeader = false;

  constructor(control: Control) {
    this.#control = control;
    this.#leader = new Leader(control);
  }

  async start(): Promise<void> {
    const { queues, schedulerId } = this.#control;
    await queues.check();
    this.#stopNudges = await queues.events.onNudge(() => this.#nudge());
    this.#leadership = await queues.leader.compete(schedulerId);
    this.#loop = this.#lead(this.#leadership);
    this.#consumer = consumeRequests(this.#control);
    this.#consumer.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#consumer?.stop();
    await this.#loop;
    await this.#leader.settle();
    this.#stopNudges?.();
    await this.#leadership?.stop();
    this.#control.metrics.recordLead(false);
  }

  async #lead(leadership: Leadership): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#isNudged = false;
      const isLeader = leadership.isLeader();
      this.#tellLead(isLeader);
      if (isLeader) await this.#oneRound(leadership);
      else this.#follow();
      await this.#pause();
    }
  }

  async #oneRound(leadership: Leadership): Promise<void> {
    const { health } = this.#control;
    health.roundBegins();
    try {
      await this.#leader.round(leadership);
      health.roundEnded(null);
    } catch (err) {
      health.roundEnded(err instanceof Error ? err.message : String(err));
      // Redis or the journal are away, or the ledger was just lost: the next round looks again.
      this.#logFailure(err);
      this.#isNudged = false;
    }
  }

  #logFailure(err: unknown): void {
    const { log } = this.#control;
    if (this.#stopping.signal.aborted) return;
    if (err instanceof EpochUnknownError) log.warn({ err }, 'ledger epoch unknown');
    else log.warn({ err }, 'round failed');
  }

  /** Once for each change; gauges of a leader are taken back at once. */
  #tellLead(isLeader: boolean): void {
    const { metrics, log, schedulerId } = this.#control;
    metrics.recordLead(isLeader);
    if (isLeader === this.#wasLeader) return;
    if (isLeader) log.info({ worker: schedulerId }, 'leader elected');
    else log.warn({ worker: schedulerId }, 'leader lost');
    this.#wasLeader = isLeader;
  }

  /** Whoever follows asks Redis and store as well, so that it is known to be able to lead. */
  #follow(): void {
    const { health, journal } = this.#control;
    health.follows();
    void health.lookAtStore(() => journal.readWitness());
  }

  #nudge(): void {
    this.#isNudged = true;
    this.#wake?.();
  }

  async #pause(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await this.#control.clock.sleep(leastPauseMs);
    if (this.#isNudged || this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#control.clock.after(this.#control.times.tickMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = null;
  }
}
