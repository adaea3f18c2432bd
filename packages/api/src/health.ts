/**
 * What an API says when it is asked for its health. Ready: the journal is readable and it is not stopping. Redis may be away: pages are read from the journal
 * then, and the answer says *degraded*.
 */
import { type Clock, degraded, failed, type Health, LastSuccess, ok, type StartStep } from '@millrace/service-kit';

const journalWithinMs = 30_000;
const redisWithinMs = 3_000;
const lookEveryMs = 5_000;

export class ApiHealth {
  readonly #clock: Clock;
  readonly #journal: StartStep;
  readonly #reads: LastSuccess;
  #isStopping = false;
  #hasRedis = false;
  readonly #cancels = new Set<() => void>();

  constructor(health: Health, clock: Clock) {
    this.#clock = clock;
    this.#journal = health.step('journal');
    this.#reads = new LastSuccess(clock, 'a read of the journal', journalWithinMs);
    health.add('ready', 'stopping', () => (this.#isStopping ? failed('takes no new requests') : ok('takes requests')));
    health.add('ready', 'journal', () => this.#reads.look());
    health.add('ready', 'redis', () => (this.#hasRedis ? ok('answers') : degraded('away: acts are refused, pages are read from the journal')));
  }

  /** Resolves after the first look; rejects when the journal cannot be read: then nothing can be served. Looks again and again until stopped. */
  async start(look: { readonly journal: () => Promise<void>; readonly redis: () => Promise<void> }): Promise<void> {
    await look.journal();
    this.#reads.worked();
    this.#journal.passed('readable');
    await this.#lookAtRedis(look.redis);
    this.#again(() => this.#lookAtJournal(look.journal));
    this.#again(() => this.#lookAtRedis(look.redis));
  }

  /** Each by itself: one that hangs must not make the other late. */
  #again(look: () => Promise<void>): void {
    const cancel = this.#clock.after(lookEveryMs, () => {
      this.#cancels.delete(cancel);
      void look().then(() => (this.#isStopping ? undefined : this.#again(look)));
    });
    this.#cancels.add(cancel);
  }

  stopping(): void {
    this.#isStopping = true;
    for (const cancel of this.#cancels) cancel();
  }

  async #lookAtJournal(read: () => Promise<void>): Promise<void> {
    try {
      await read();
      this.#reads.worked();
    } catch (error) {
      this.#reads.failed(error instanceof Error ? error.message : String(error));
    }
  }

  async #lookAtRedis(read: () => Promise<void>): Promise<void> {
    const answered = read().then(
      () => true,
      () => false,
    );
    // A Redis that hangs is away as well.
    this.#hasRedis = await Promise.race([answered, this.#clock.sleep(redisWithinMs).then(() => false)]);
  }
}
