/** Whether the event loop of this process turns: a heartbeat each second, and how late its timers are. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

import type { Clock } from './clock.ts';

const beatMs = 1_000;
/** Lag is judged over the last one to two of these. */
const windowMs = 10_000;
const resolutionMs = 20;

export class EventLoop {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #delay = monitorEventLoopDelay({ resolution: resolutionMs });
  #timer: NodeJS.Timeout | null = null;
  #beatAtMs: number;
  #windowAtMs: number;
  #lastWindowMs = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
    this.#beatAtMs = clock.monotonicMs();
    this.#windowAtMs = this.#beatAtMs;
  }

  start(): void {
    this.#delay.enable();
    this.#beatAtMs = this.#clock.monotonicMs();
    this.#timer ??= setInterval(() => this.#beat(), beatMs).unref();
  }

  stop(): void {
    this.#delay.disable();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Milliseconds since the loop last ran the heartbeat. */
  get sinceBeatMs(): number {
    return this.#clock.monotonicMs() - this.#beatAtMs;
  }

  /** By how many milliseconds one in a hundred of the loop's turns was late, lately. */
  get lagP99Ms(): number {
    return Math.max(this.#lastWindowMs, this.#delay.count === 0 ? 0 : lateMs(this.#delay));
  }

  #beat(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#beatAtMs = nowMs;
    if (nowMs - this.#windowAtMs < windowMs) return;
    this.#lastWindowMs = lateMs(this.#delay);
    this.#delay.reset();
    this.#windowAtMs = nowMs;
  }
}

/** What the histogram holds is the distance of two samples, which is the resolution when nothing is late. */
const lateMs = (delay: ReturnType<typeof monitorEventLoopDelay>): number => Math.max(0, delay.percentile(99) / 1e6 - resolutionMs);
