/**
 * Between running cores and everybody who must know that they run: their events show life to the lease, tell the ledger how far the attempt is, and
 * bring back whether to go on. One signal says stop, with the reason that the core is told. A fenced or hanging core is killed.
 */
import type { CoreProcess } from '@millrace/core-client';
import type { ChunkId } from '@millrace/protocol';
import type { Event } from '@millrace/protocol/wire';
import { describeError } from '@millrace/service-kit';
import { failpoint } from '@millrace/service-kit/failpoints';
import type { Host, OpenedAttempt } from './host.ts';
import type { Lease } from './lease-keeper.ts';

/** Why the host asked the core to stop. */
export type StopReason = 'fence' | 'cancel' | 'drain';

const LIFE_EVERY_MS = 500;
const PING_DEADLINE_MS = 5_000;
/** With the time that a core gets to obey this stays well below the 15 s in which a cancel must have stopped it. */
const ORDERS_EVERY_LEAST_MS = 250;

export class ProgressKeeper {
  readonly #attempt: OpenedAttempt<{ readonly chunkId: ChunkId }>;
  readonly #host: Pick<Host, 'queues' | 'times' | 'clock' | 'log' | 'drain'>;
  readonly #stop = new AbortController();
  readonly #removers: (() => void)[] = [];
  readonly #silence: NodeJS.Timeout;
  readonly #orders: NodeJS.Timeout;
  readonly lease: Lease;
  #core: CoreProcess | null = null;
  #progress = { bytesDone: 0, recordsDone: 0 };
  #mark = '';
  #movedAt: number;
  #isTelling = false;
  stoppedFor: StopReason | null = null;

  constructor(attempt: OpenedAttempt<{ readonly chunkId: ChunkId }>, lease: Lease, host: Pick<Host, 'queues' | 'times' | 'clock' | 'log' | 'drain'>) {
    this.#attempt = attempt;
    this.#host = host;
    this.lease = lease;
    this.#movedAt = host.clock.monotonicMs();
    this.#follow(lease.signal, 'fence');
    this.#follow(host.drain, 'drain');
    this.#silence = setInterval(() => this.#lookForHang(), Math.max(250, host.times.coreSilenceMs / 8));
    this.#orders = setInterval(() => void this.#hearOrders(), Math.max(ORDERS_EVERY_LEAST_MS, host.times.workerBeatMs));
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get progress(): { readonly bytesDone: number; readonly recordsDone: number } {
    return this.#progress;
  }

  stop(): void {
    clearInterval(this.#silence);
    clearInterval(this.#orders);
    for (const remove of this.#removers.splice(0)) remove();
  }

  /** While no core is needed or had: the host itself is alive, and the lease may be renewed. */
  async whileWaiting<T>(wait: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => this.lease.showLife(), LIFE_EVERY_MS);
    this.lease.showLife();
    try {
      return await wait();
    } finally {
      clearInterval(timer);
    }
  }

  /** From now on this core's silence, or the end of the lease, kills it; until the answer is called. */
  watch(core: CoreProcess): () => void {
    this.#core = core;
    this.#mark = '';
    this.#movedAt = this.#host.clock.monotonicMs();
    this.lease.showLife();
    if (this.stoppedFor === 'fence') void core.kill('fence');
    return () => {
      this.#core = null;
    };
  }

  /** An event of the core. */
  note(event: Event, core: CoreProcess): void {
    void failpoint('chunk.8-9', this.#attempt.attemptId);
    this.lease.showLife();
    if (event.type !== 'Progress') {
      this.#moved();
      return;
    }
    const { phase, bytesIn, recordsIn, emitted, filtered, rejected, byte, record } = event;
    // The core says that it lives every second, also when it hangs: only what it counts tells.
    const mark = [phase, bytesIn, recordsIn, emitted, filtered, rejected, byte, record].join(' ');
    if (mark !== this.#mark) this.#moved();
    this.#mark = mark;
    this.#progress = { bytesDone: bytesIn, recordsDone: recordsIn };
    void this.#tellLedger(core);
  }

  #moved(): void {
    this.#movedAt = this.#host.clock.monotonicMs();
  }

  /** One call at a time: progress that comes meanwhile is told by the next. */
  async #tellLedger(core: CoreProcess): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      await this.#askLedger();
      // The core refuses to commit when the lease that it knows of has run out, so it must hear of each renewal.
      await core.ping({ deadlineMs: PING_DEADLINE_MS, leaseLeftMs: this.lease.leftMs() });
    } catch (err) {
      this.#host.log.debug({ err: describeError(err) }, 'progress not told');
    } finally {
      this.#isTelling = false;
    }
  }

  /** A core that hangs, and an attempt that still waits for one, tell nothing: a cancel must reach them all the same. */
  async #hearOrders(): Promise<void> {
    if (this.#isTelling || this.stoppedFor !== null) return;
    this.#isTelling = true;
    try {
      await this.#askLedger();
    } catch (err) {
      this.#host.log.debug({ err: describeError(err) }, 'orders not heard');
    } finally {
      this.#isTelling = false;
    }
  }

  async #askLedger(): Promise<void> {
    const { orders, attemptId } = this.#attempt;
    const answer = await this.#host.queues.ledger.progress(orders.chunkId, attemptId, this.#progress);
    if (answer.cancelled) this.#end('cancel');
    else if (!answer.current) this.#end('fence');
  }

  #follow(signal: AbortSignal, reason: StopReason): void {
    const onAbort = (): void => this.#end(reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#removers.push(() => signal.removeEventListener('abort', onAbort));
  }

  /** The first reason stands, but for a fence, which outranks a polite stop. */
  #end(reason: StopReason): void {
    if (this.stoppedFor === null || reason === 'fence') this.stoppedFor = reason;
    // The core is told this very word, so the reason of the signal is the word itself.
    if (!this.signal.aborted) this.#stop.abort(reason);
    // Somebody else may run this chunk any moment: there is no time to ask.
    if (reason === 'fence') void this.#core?.kill('fence');
  }

  /** A core whose counts have stood still for so long hangs. */
  #lookForHang(): void {
    if (this.#host.clock.monotonicMs() - this.#movedAt < this.#host.times.coreSilenceMs) return;
    void this.#core?.kill('silence');
  }
}
