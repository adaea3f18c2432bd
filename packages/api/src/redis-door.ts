/**
 * Redis as the API uses it: opened in the background and again until it is there, for pages are read from the journal while it is away. Once open, its
 * connections mend themselves and fail fast.
 */
import { openQueues, type Queues, type QueuesOptions } from '@millrace/queues';
import type { Clock, Log } from '@millrace/service-kit';
import { ApiProblem } from './problem.ts';

const againMs = 2_000;
const firstTryMs = 5_000;

export class RedisDoor {
  readonly #options: QueuesOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  #queues: Queues | null = null;
  #opening: Promise<void> | null = null;
  #cancel: () => void = () => {};
  #stopped = false;
  readonly #opened = Promise.withResolvers<void>();

  constructor(options: QueuesOptions, parts: { readonly clock: Clock; readonly log: Log }) {
    this.#options = options;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Resolves after the first try, however it went, and not later than the time for it: one that hangs goes on in the background. */
  async start(): Promise<void> {
    this.#opening ??= this.#open();
    await Promise.race([this.#opening, this.#clock.sleep(firstTryMs)]);
  }

  /** Resolves when it is open for the first time. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Throws `BUSY` while it was never open. Once it was, a call itself fails while Redis is away. */
  queues(): Queues {
    if (this.#queues === null) throw new ApiProblem('BUSY', 'Redis is away: pages are read from the journal, acts must wait');
    return this.#queues;
  }

  /** Null while it was never open. */
  get found(): Queues | null {
    return this.#queues;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#opening;
    await this.#queues?.close();
  }

  async #open(): Promise<void> {
    try {
      const queues = await openQueues({ ...this.#options, failFast: true });
      this.#queues = queues;
      this.#opened.resolve();
      if (this.#stopped) await queues.close();
    } catch (err) {
      this.#log.warn({ err }, 'redis is away');
      if (this.#stopped) return;
      this.#cancel = this.#clock.after(againMs, () => {
        this.#opening = this.#open();
      });
    }
  }
}
