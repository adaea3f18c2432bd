/**
 * Renews the claim on a task while its core shows life, and fences: a host that cannot prove its claim aborts the work before the lease ends.
 * A renewal proves the lease from the moment it was *sent*, on a monotonic clock; wall clocks may jump. Safety does not rest on this (the
 * verdict does), but a fenced host wastes no work and leaves no double run behind (I5, I7).
 */
import type { ClaimedTask } from '@millrace/queues';
import type { LeaseTimes } from '@millrace/protocol';

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
  readonly reason: FenceReason;

  constructor(reason: FenceReason) {
    super(`cannot keep the lease: ${reason}`);
    this.reason = reason;
  }
}

/** How many renewal periods may pass without a sign of life before renewals stop. */
const SILENT_PERIODS = 3;

/** The first renewal proves the lease; throws `FenceError` when it is refused. `monotonicMs` never goes back. */
export async function keepLease(task: ClaimedTask, times: LeaseTimes, monotonicMs: () => number): Promise<Lease> {
  const keeper = new LeaseKeeper(task, times, monotonicMs);
  await keeper.renew();
  if (keeper.signal.aborted) throw keeper.signal.reason;
  keeper.start();
  return keeper;
}

class LeaseKeeper implements Lease {
  readonly #task: ClaimedTask;
  readonly #times: LeaseTimes;
  readonly #monotonicMs: () => number;
  readonly #abort = new AbortController();
  #provenAt = Number.NEGATIVE_INFINITY;
  #lifeAt: number;
  #renewing = false;
  #nextRenewalAt = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(task: ClaimedTask, times: LeaseTimes, monotonicMs: () => number) {
    this.#task = task;
    this.#times = times;
    this.#monotonicMs = monotonicMs;
    this.#lifeAt = monotonicMs();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  leftMs(): number {
    return Math.max(0, Math.floor(this.#provenAt + this.#times.leaseMs - this.#monotonicMs()));
  }

  showLife(): void {
    this.#lifeAt = this.#monotonicMs();
  }

  /** One timer looks at both duties, so that a renewal that never returns cannot stop the fence. */
  start(): void {
    const lookEveryMs = Math.max(10, Math.floor(this.#times.renewMs / 8));
    this.#nextRenewalAt = this.#monotonicMs() + this.#times.renewMs;
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    const now = this.#monotonicMs();
    if (now - this.#provenAt >= this.#times.fenceMs) return this.#fence('lease not proven');
    if (now >= this.#nextRenewalAt && !this.#renewing && this.#isAlive(now)) void this.renew();
  }

  #isAlive(now: number): boolean {
    return now - this.#lifeAt <= SILENT_PERIODS * Math.max(this.#times.renewMs, 1_000);
  }

  async renew(): Promise<void> {
    this.#renewing = true;
    const sentAt = this.#monotonicMs();
    try {
      if ((await this.#task.renew()) === 'lost') this.#fence('lease lost');
      else this.#provenAt = Math.max(this.#provenAt, sentAt);
      this.#nextRenewalAt = sentAt + this.#times.renewMs;
    } catch {
      // No answer proves nothing: the next look tries again until the fence.
      this.#nextRenewalAt = this.#monotonicMs() + this.#times.renewMs / 8;
    } finally {
      this.#renewing = false;
    }
  }

  #fence(reason: FenceReason): void {
    this.stop();
    if (!this.signal.aborted) this.#abort.abort(new FenceError(reason));
  }
}
