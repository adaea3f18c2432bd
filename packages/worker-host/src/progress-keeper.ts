/**
 * Between a running core and everybody who must know that it runs: its events show life to the lease, tell the ledger how far it is, and bring back
 * whether to go on. One signal says stop, with the reason that the core is told.
 */
import type { CoreProcess } from '@millrace/core-client';
import type { AttemptId, ChunkId } from '@millrace/protocol';
import type { Event } from '@millrace/protocol/wire';
import { describeError } from '@millrace/service-kit';
import type { Host, OpenedAttempt } from './host.ts';
import type { Lease } from './lease-keeper.ts';

/** Why the host asked the core to stop. */
export type StopReason = 'fence' | 'cancel' | 'drain';

export class ProgressKeeper {
  readonly #attempt: OpenedAttempt<{ readonly chunkId: ChunkId }>;
  readonly #lease: Lease;
  readonly #host: Host;
  readonly #stop = new AbortController();
  readonly #removers: (() => void)[] = [];
  readonly #silence: NodeJS.Timeout;
  #core: CoreProcess | null = null;
  #progress = { bytesDone: 0, recordsDone: 0 };
  #telling = false;
  #aliveAt: number;
  stoppedFor: StopReason | null = null;

  constructor(attempt: OpenedAttempt<{ readonly chunkId: ChunkId }>, lease: Lease, host: Host) {
    this.#attempt = attempt;
    this.#lease = lease;
    this.#host = host;
    this.#aliveAt = host.monotonicMs();
    this.#follow(lease.signal, 'fence');
    this.#follow(host.drain, 'drain');
    this.#silence = setInterval(() => this.#lookForSilence(), Math.max(250, host.times.coreSilenceMs / 8));
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get progress(): { readonly bytesDone: number; readonly recordsDone: number } {
    return this.#progress;
  }

  stop(): void {
    clearInterval(this.#silence);
    for (const remove of this.#removers.splice(0)) remove();
  }

  /** No core yet: the host itself is alive, and the lease may be renewed. */
  liveWhileWaiting(): () => void {
    const timer = setInterval(() => this.#showLife(), 500);
    return () => clearInterval(timer);
  }

  /** An event of the core. */
  note(event: Event, core: CoreProcess): void {
    this.#core = core;
    this.#showLife();
    if (event.type !== 'Progress') return;
    this.#progress = { bytesDone: event.bytesIn, recordsDone: event.recordsIn };
    void this.#tellLedger(core);
  }

  #showLife(): void {
    this.#aliveAt = this.#host.monotonicMs();
    this.#lease.showLife();
  }

  /** One call at a time: progress that comes meanwhile is told by the next. */
  async #tellLedger(core: CoreProcess): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    try {
      const { orders, attemptId } = this.#attempt;
      const answer = await this.#host.queues.ledger.progress(orders.chunkId, attemptId as AttemptId, this.#progress);
      if (answer.cancelled) this.#end('cancel');
      else if (!answer.current) this.#end('fence');
      await core.ping({ deadlineMs: 5_000, leaseLeftMs: this.#lease.leftMs() });
    } catch (err) {
      this.#host.log.debug({ err: describeError(err) }, 'progress not told');
    } finally {
      this.#telling = false;
    }
  }

  #follow(signal: AbortSignal, reason: StopReason): void {
    const onAbort = (): void => this.#end(reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#removers.push(() => signal.removeEventListener('abort', onAbort));
  }

  #end(reason: StopReason): void {
    this.stoppedFor ??= reason;
    // The core is told this very word, so the reason of the signal is the word itself.
    if (!this.signal.aborted) this.#stop.abort(reason);
  }

  /** A core that lives but says nothing for so long hangs. */
  #lookForSilence(): void {
    if (this.#core === null || this.#host.monotonicMs() - this.#aliveAt < this.#host.times.coreSilenceMs) return;
    void this.#core.kill('silence');
  }
}
