/**
 * What a host says when it is asked for its health. Ready: whoever gives it work finds a Redis, a store and a core that answer. Alive: its event loop and
 * the timers of its leases tick, and nothing else: an outage of Redis or of a store must not restart the fleet.
 */
import type { LeaseTimes } from '@millrace/protocol';
import { type Clock, failed, type Health, LastSuccess, ok, type StartStep, within } from '@millrace/service-kit';
import type { Lease, LeaseWatch } from './lease-keeper.ts';
import type { HostMetrics } from './metrics.ts';

/** How long ago a call must have worked. Scaled with leases, for tests; never shorter than the second. */
const redisWithinMs = 10_000;
const storeWithinMs = 30_000;
const leastWithinMs = 1_000;
/** A timer of a lease that has not ticked for so long is dead: it looks eight times in a renewal period. */
const leaseTimerMs = 20_000;

export class HostHealth implements LeaseWatch {
  readonly #clock: Clock;
  readonly #metrics: HostMetrics;
  readonly #looks = new Map<Lease, number>();
  /** Steps of the start. */
  readonly core: StartStep;
  readonly redis: StartStep;
  readonly store: StartStep;
  readonly redisCalls: LastSuccess;
  readonly storeCalls: LastSuccess;
  isDraining = false;

  constructor(health: Health, times: LeaseTimes, cores: () => number, metrics: HostMetrics, clock: Clock) {
    this.#clock = clock;
    this.#metrics = metrics;
    const scaled = (ms: number): number => Math.max(leastWithinMs, ms * times.timeScale);
    this.core = health.step('core');
    this.redis = health.step('redis');
    this.store = health.step('store');
    this.redisCalls = new LastSuccess(clock, 'a call to Redis', scaled(redisWithinMs));
    this.storeCalls = new LastSuccess(clock, 'a read of the journal', scaled(storeWithinMs));
    health.add('ready', 'draining', () => (this.isDraining ? failed('this host drains') : ok('takes tasks')));
    health.add('ready', 'redis', () => this.redisCalls.look());
    health.add('ready', 'store', () => this.storeCalls.look());
    health.add('ready', 'cores', () => (cores() > 0 ? ok(`${cores()} live`) : failed('no core lives')));
    health.add('ready', 'loopLag', () => within(health.loop.lagP99Ms, times.leaseMs / 4, 'of lag of the event loop (p99)'));
    health.add('live', 'leaseTimers', () => within(this.#oldestLookMs(), leaseTimerMs, 'since the timer of a lease ticked'));
  }

  renewal(result: 'renewed' | 'late' | 'refused' | 'error'): void {
    this.#metrics.recordRenewal(result);
  }

  fence(): void {
    this.#metrics.recordFence();
  }

  look(lease: Lease): void {
    this.#looks.set(lease, this.#clock.monotonicMs());
  }

  end(lease: Lease): void {
    this.#looks.delete(lease);
  }

  /** 0 when there is no lease. */
  #oldestLookMs(): number {
    const nowMs = this.#clock.monotonicMs();
    return Math.max(0, ...[...this.#looks.values()].map((atMs) => nowMs - atMs));
  }
}
