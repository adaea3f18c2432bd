/** A clock that stands still until a test moves it. */
import type { Clock } from '../clock.ts';

interface Waiter {
  readonly atMs: number;
  readonly act: () => void;
}

export class FakeClock implements Clock {
  #nowMs: number;
  #waiters: Waiter[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  nowIso(): string {
    return new Date(this.#nowMs).toISOString();
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = (): void => {
        cancel();
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  after(ms: number, act: () => void): () => void {
    const waiter = { atMs: this.#nowMs + ms, act };
    this.#waiters.push(waiter);
    return () => {
      this.#waiters = this.#waiters.filter((one) => one !== waiter);
    };
  }

  /** Moves time on and runs what is due, in order; what that starts may be due as well. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let next = this.#nextDue(untilMs); next !== undefined; next = this.#nextDue(untilMs)) {
      const due = next;
      this.#waiters = this.#waiters.filter((one) => one !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.act();
    }
    this.#nowMs = untilMs;
  }

  /** How many sleepers and timers wait. */
  get waiting(): number {
    return this.#waiters.length;
  }

  #nextDue(untilMs: number): Waiter | undefined {
    return this.#waiters
      .filter((one) => one.atMs <= untilMs)
      .reduce<Waiter | undefined>((first, one) => (first && first.atMs <= one.atMs ? first : one), undefined);
  }
}
