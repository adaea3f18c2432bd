/** One open event stream: what it listens to, what it may see, and the frames that wait for its reader. A reader that does not keep up is told to read anew. */
import { Readable } from 'node:stream';
import type { Caller } from '../auth/caller.ts';
import { mayReach } from '../auth/caller.ts';
import type { Sent } from './hub.ts';

/** Waiting for a slow reader. */
const mostWaitingBytes = 1024 * 1024;
export const retryMs = 2_000;

/** Where events come from, as a listener needs it. */
export interface EventStore {
  readonly id: string;
  readonly lastNumber: number;
  /** Events behind this number; null: they are kept no longer. */
  since(number: number): readonly Sent[] | null;
  /** Notices of what is wrong now. */
  standing(): readonly Sent[];
}

export class Listener {
  readonly key: string;
  readonly topics: ReadonlySet<string>;
  readonly stream: Readable;
  readonly #hub: EventStore;
  readonly #caller: Caller;
  /** The same for all callers who see the same. */
  readonly #view: string;
  #isBehind = false;

  constructor(hub: EventStore, caller: Caller, key: string, topics: readonly string[]) {
    this.#hub = hub;
    this.#caller = caller;
    this.key = key;
    this.topics = new Set(topics);
    this.#view = caller.tenants === null ? '*' : [...caller.tenants].sort().join(' ');
    this.stream = new Readable({ read: () => undefined, highWaterMark: mostWaitingBytes });
  }

  /** The first frame; events behind `lastEventId` follow, or a `reset` when they are not known any more. */
  begin(lastEventId: string | null): void {
    this.#write(`retry: ${retryMs}\nid: ${this.#id(this.#hub.lastNumber)}\n\n`);
    if (lastEventId === null) {
      this.#tellStanding();
      return;
    }
    const [hubId, number] = lastEventId.split('-');
    const missed = hubId === this.#hub.id && /^\d{1,15}$/.test(number ?? '') ? this.#hub.since(Number(number)) : null;
    if (missed === null) this.#reset();
    else for (const event of missed) this.hear(event);
  }

  hear(event: Sent): void {
    if (event.topic !== '*' && !this.topics.has(event.topic)) return;
    if (!this.#isThere()) return;
    const text = this.#textOf(event);
    if (text === null) return;
    this.#write(`id: ${this.#id(event.number)}\nevent: ${event.event}\ndata: ${text}\n\n`);
  }

  /** Keeps proxies and readers from taking the stream for dead. */
  comment(): void {
    if (this.#isThere()) this.#write(': \n\n');
  }

  #textOf(event: Sent): string | null {
    const known = event.texts.get(this.#view);
    if (known !== undefined) return known;
    const data = event.dataFor((tenant) => mayReach(this.#caller, tenant));
    const text = data === null ? null : JSON.stringify(data);
    event.texts.set(this.#view, text);
    return text;
  }

  #write(frame: string): void {
    if (this.stream.destroyed || this.#isBehind) return;
    this.stream.push(frame);
    if (this.stream.readableLength > mostWaitingBytes) this.#isBehind = true;
  }

  /** False while the reader has not taken most of what waits for it; when it has, it is told to read anew. */
  #isThere(): boolean {
    if (this.#isBehind && this.stream.readableLength < mostWaitingBytes / 4) {
      this.#isBehind = false;
      this.#reset();
    }
    return !this.#isBehind;
  }

  #reset(): void {
    this.#write(`id: ${this.#id(this.#hub.lastNumber)}\nevent: reset\ndata: ${JSON.stringify({ topics: [...this.topics] })}\n\n`);
    this.#tellStanding();
  }

  /** Without ids: they are older than where the stream stands. */
  #tellStanding(): void {
    for (const event of this.#hub.standing()) {
      const text = this.#textOf(event);
      if (text !== null) this.#write(`event: ${event.event}\ndata: ${text}\n\n`);
    }
  }

  #id(number: number): string {
    return `${this.#hub.id}-${number}`;
  }
}
