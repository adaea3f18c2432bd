/**
 * Renews the claim on a task while its core shows life, and fences: a host that cannot prove its claim aborts the work before the lease ends.
 * A renewal proves the lease from the moment it was *sent*, on a monotonic clock; wall clocks may jump. Safety does not rest on this (the
 * verdict does), but a fenced host wastes no work and leaves no double run behind (I5, I7).
 */

import type { LeaseTimes } from '@millrace/protocol';
import type { ClaimedTask } from '@millrace/queues';
import type { Clock } from '@millrace/service-kit';

export type FenceReason = 'lease lost' | 'lease not proven';

export interface Lease {
  /** Aborted with a `FenceError` when the claim is lost or cannot be proven any more. */
  readonly signal: AbortSignal;
  /** Milliseconds the lease is still proven for; 0 when it is not. */
  leftMs(): number;
  /** The core works, or nothing needs one yet: the next renewals may go on. */
  showLife(): void;
  stop(): void;
}

export class FenceError extends Error {
  override readonly name = 'FenceError';
  readonly reason: FenceReason;

  constructor(reason: FenceReason) {
    super(`cannot keep the lease: ${reason}`);
    this.reason = reason;
  }
}

/** Whoever counts renewals, and sees that the timers of leases tick. */
export interface LeaseWatch {
  renewal(result: 'renewed' | 'late' | 'refused' | 'error'): void;
  fence(): void;
  /** The lease was looked at just now. */
  look(lease: Lease): void;
  end(lease: Lease): void;
}

/** How many renewal periods may pass without a sign of life before renewals stop; cores show one every second. */
const SILENT_PERIODS = 3;
const LEAST_SILENT_PERIOD_MS = 1_000;
/** A renewal that is granted after so many periods without one is a late one. */
const LATE_PERIODS = 2;

/** The first renewal proves the lease; throws `FenceError` when it is refused or not answered. */
export async function keepLease(
  task: Pick<ClaimedTask, 'renew'>,
  times: LeaseTimes,
  clock: Pick<Clock, 'monotonicMs' | 'after'>,
  watch?: LeaseWatch,
): Promise<Lease> {
  const keeper = new LeaseKeeper(task, times, clock, watch);
  await keeper.prove();
  return keeper;
}

class LeaseKeeper implements Lease {
  readonly #task: Pick<ClaimedTask, 'renew'>;
  readonly #times: LeaseTimes;
  readonly #clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly #watch: LeaseWatch | undefined;
  readonly #abort = new AbortController();
  /** When the last renewal that was granted was sent. */
  #provenAt: number | null = null;
  #fenceAt: number;
  #lifeAt: number;
  #nextRenewalAt: number;
  #isRenewing = false;
  #cancelLook: () => void = () => {};

  constructor(task: Pick<ClaimedTask, 'renew'>, times: LeaseTimes, clock: Pick<Clock, 'monotonicMs' | 'after'>, watch?: LeaseWatch) {
    this.#task = task;
    this.#watch = watch;
    this.#times = times;
    this.#clock = clock;
    const now = clock.monotonicMs();
    this.#lifeAt = now;
    this.#nextRenewalAt = now;
    this.#fenceAt = now + times.fenceMs;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  leftMs(): number {
    if (this.#provenAt === null || this.signal.aborted) return 0;
    return Math.max(0, Math.floor(this.#provenAt + this.#times.leaseMs - this.#clock.monotonicMs()));
  }

  showLife(): void {
    this.#lifeAt = this.#clock.monotonicMs();
  }

  async prove(): Promise<void> {
    this.#lookLater();
    const fenced = new Promise<void>((resolve) => this.signal.addEventListener('abort', () => resolve(), { once: true }));
    // Whichever is first: a renewal that hangs must not keep the claim for ever.
    await Promise.race([this.#renew(), fenced]);
    if (this.#provenAt === null) this.#fence('lease not proven');
    if (this.signal.aborted) throw this.signal.reason;
  }

  stop(): void {
    this.#cancelLook();
    this.#cancelLook = () => {};
    this.#watch?.end(this);
  }

  /** One timer looks at both duties, so that a renewal that never returns cannot stop the fence. */
  #lookLater(): void {
    this.#watch?.look(this);
    const lookEveryMs = Math.max(10, Math.floor(this.#times.renewMs / 8));
    this.#cancelLook = this.#clock.after(lookEveryMs, () => {
      this.#lookLater();
      this.#look();
    });
  }

  #look(): void {
    const now = this.#clock.monotonicMs();
    if (now >= this.#fenceAt) this.#fence('lease not proven');
    else if (now >= this.#nextRenewalAt && !this.#isRenewing && this.#isAlive(now)) void this.#renew();
  }

  #isAlive(now: number): boolean {
    return now - this.#lifeAt <= SILENT_PERIODS * Math.max(this.#times.renewMs, LEAST_SILENT_PERIOD_MS);
  }

  async #renew(): Promise<void> {
    this.#isRenewing = true;
    const sentAt = this.#clock.monotonicMs();
    this.#nextRenewalAt = sentAt + this.#times.renewMs;
    try {
      if ((await this.#task.renew()) === 'lost') {
        this.#watch?.renewal('refused');
        return this.#fence('lease lost');
      }
      const isLate = this.#provenAt !== null && sentAt - this.#provenAt > LATE_PERIODS * this.#times.renewMs;
      this.#watch?.renewal(isLate ? 'late' : 'renewed');
      this.#provenAt = sentAt;
      this.#fenceAt = sentAt + this.#times.fenceMs;
    } catch {
      this.#watch?.renewal('error');
      // No answer proves nothing: the next look tries again until the fence.
      this.#nextRenewalAt = this.#clock.monotonicMs();
    } finally {
      this.#isRenewing = false;
    }
  }

  #fence(reason: FenceReason): void {
    this.stop();
    if (this.signal.aborted) return;
    this.#watch?.fence();
    this.#abort.abort(new FenceError(reason));
  }
}
