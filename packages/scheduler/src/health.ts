/**
 * What a scheduler says when it is asked for its health. Ready: Redis, store and its core answer, and it follows, or leads and gets through its rounds.
 * Alive: its event loop turns and no round hangs; an outage of Redis or of the store ends rounds with an error, and restarts nobody.
 */
import type { LeaseTimes } from '@millrace/protocol';
import { type Clock, type Finding, failed, type Health, LastSuccess, ok, type StartStep, within } from '@millrace/service-kit';

/** How long ago a call must have worked. Scaled with leases, for tests; never shorter than the second. */
const redisWithinMs = 10_000;
const storeWithinMs = 30_000;
const passWithinMs = 15_000;
const leastWithinMs = 1_000;
/** Calls to Redis and stores have given up long before; a rebuild may take as long as it takes. */
const longestRoundMs = 300_000;

export class SchedulerHealth {
  readonly #clock: Clock;
  /** Steps of the start. */
  readonly core: StartStep;
  readonly redis: StartStep;
  readonly store: StartStep;
  readonly redisCalls: LastSuccess;
  readonly storeCalls: LastSuccess;
  readonly passes: LastSuccess;
  #isLeading = false;
  #isRebuilding = false;
  #roundBeganMs: number | null = null;
  #isReading = false;

  constructor(health: Health, times: LeaseTimes, hasCore: () => boolean, clock: Clock) {
    this.#clock = clock;
    const scaled = (ms: number): number => Math.max(leastWithinMs, ms * times.timeScale);
    this.core = health.step('core');
    this.redis = health.step('redis');
    this.store = health.step('store');
    this.redisCalls = new LastSuccess(clock, 'a call to Redis', scaled(redisWithinMs));
    this.storeCalls = new LastSuccess(clock, 'a read of the journal', scaled(storeWithinMs));
    this.passes = new LastSuccess(clock, 'a round as leader', scaled(passWithinMs));
    health.add('ready', 'redis', () => this.redisCalls.look());
    health.add('ready', 'store', () => this.storeCalls.look());
    health.add('ready', 'core', () => (hasCore() ? ok('lives') : failed('its core has ended')));
    health.add('ready', 'leading', () => this.#leading());
    health.add('live', 'rounds', () => this.#rounds());
  }

  follows(): void {
    this.#isLeading = false;
  }

  /** A round begins. The first one as leader is given the time of a pass. */
  roundBegins(): void {
    if (!this.#isLeading) this.passes.worked();
    this.#isLeading = true;
    this.#roundBeganMs = this.#clock.monotonicMs();
  }

  /** `trouble`: null when it went through. */
  roundEnded(trouble: string | null): void {
    this.#roundBeganMs = null;
    this.#isRebuilding = false;
    if (trouble === null) this.passes.worked();
    else this.passes.failed(trouble);
  }

  rebuilding(): void {
    this.#isRebuilding = true;
  }

  rebuilt(): void {
    this.#isRebuilding = false;
    this.passes.worked();
  }

  /** Readiness goes by the last read that worked: `read` is asked each third of the time that one may be old, one at a time. */
  async lookAtStore(read: () => Promise<void>): Promise<void> {
    const { sinceMs, withinMs } = this.storeCalls;
    if (this.#isReading || (sinceMs ?? Number.POSITIVE_INFINITY) < withinMs / 3) return;
    this.#isReading = true;
    try {
      await read();
      this.storeCalls.worked();
    } catch (error) {
      this.storeCalls.failed(error instanceof Error ? error.message : String(error));
    } finally {
      this.#isReading = false;
    }
  }

  #leading(): Finding {
    if (!this.#isLeading) return ok('follows');
    if (this.#isRebuilding) return ok('leads, and rebuilds the ledger');
    const found = this.passes.look();
    return { ...found, detail: `leads: ${found.detail}` };
  }

  #rounds(): Finding {
    if (this.#roundBeganMs === null || this.#isRebuilding) return ok('no round hangs');
    return within(this.#clock.monotonicMs() - this.#roundBeganMs, longestRoundMs, 'since a round began');
  }
}
