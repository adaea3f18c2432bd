/**
 * Nudges: messages that say "look now". They may be lost; whoever waits for one also looks by itself. One connection per process, opened with the
 * first subscription, kept alive by pings because a silent half-open socket raises no error.
 */
import type { RedisClient } from './redis.ts';

export type Nudged = (message: string) => void;

export class Subscriber {
  readonly #connect: () => Promise<RedisClient>;
  readonly #pingMs: number;
  readonly #listeners = new Map<string, Set<Nudged>>();
  #client: Promise<RedisClient> | null = null;
  #pings: NodeJS.Timeout | null = null;

  constructor(connect: () => Promise<RedisClient>, pingMs: number) {
    this.#connect = connect;
    this.#pingMs = pingMs;
  }

  /** Calls `listener` for each message on the channel until the returned function is called. */
  async listen(channel: string, listener: Nudged): Promise<() => void> {
    const listeners = this.#listeners.get(channel) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(channel, listeners);
    try {
      const client = await this.#opened();
      if (listeners.size === 1) await client.subscribe(channel);
      return () => this.#forget(channel, listener, client);
    } catch (error) {
      this.#forget(channel, listener, null);
      throw error;
    }
  }

  #forget(channel: string, listener: Nudged, client: RedisClient | null): void {
    const listeners = this.#listeners.get(channel);
    listeners?.delete(listener);
    if (listeners === undefined || listeners.size > 0) return;
    this.#listeners.delete(channel);
    // A failed unsubscribe leaves messages that nobody hears.
    client?.unsubscribe(channel).catch(() => undefined);
  }

  async close(): Promise<void> {
    if (this.#pings) clearInterval(this.#pings);
    const client = await this.#client?.catch(() => null);
    client?.disconnect();
  }

  #opened(): Promise<RedisClient> {
    const opening = this.#client ?? this.#open();
    this.#client = opening;
    // One that failed is not kept: Redis may be there the next time.
    opening.catch(() => {
      if (this.#client === opening) this.#client = null;
    });
    return opening;
  }

  async #open(): Promise<RedisClient> {
    const client = await this.#connect();
    client.on('message', (channel: string, message: string) => {
      for (const listener of this.#listeners.get(channel) ?? []) listener(message);
    });
    this.#pings = setInterval(() => void client.ping().catch(() => undefined), this.#pingMs);
    this.#pings.unref();
    return client;
  }
}
