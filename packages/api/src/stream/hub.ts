/**
 * Live events for all open streams of this process. Sources are looked at only while somebody listens; what changed becomes one event for its topic, at most
 * twice a second, and is sent to each stream cut to what its caller may see. The newest events are kept, so that a stream that broke goes on where it was.
 */
import type { StreamEventName } from '@millrace/api-contract';
import type { Api } from '../api.ts';
import { perApi } from '../steering/per-api.ts';
import type { Listener } from './listener.ts';
import { makeSources, type Source } from './sources.ts';

/** Half a second: at most two events a second for a topic. */
const tickMs = 500;
/** A look may take so long before the next source is looked at. */
const patienceMs = 5_000;
const keptEvents = 2_000;
const keptBytes = 16 * 1024 * 1024;
/** After the last listener has gone the sources go on for so long: a stream that breaks comes back within seconds. */
const lingerTicks = 60;

export type Reaches = (tenant: string) => boolean;

/** Something that changed, before it is cut to a caller. */
export interface Change {
  readonly topic: string;
  readonly event: StreamEventName;
  /** Data for a caller who reaches these tenants; null: nothing of it is for them. */
  readonly dataFor: (reaches: Reaches) => unknown;
}

/** An event as it was sent, with its texts by who may see what. */
export interface Sent extends Change {
  readonly number: number;
  readonly bytes: number;
  readonly texts: Map<string, string | null>;
}

const everybody: Reaches = () => true;

export class StreamHub {
  /** Of this process: events of another have other ids. */
  readonly id: string;
  readonly #api: Api;
  readonly #sources: readonly Source[];
  readonly #listeners = new Set<Listener>();
  readonly #events: Sent[] = [];
  /** Notices of what is wrong now, by code. */
  readonly #standing = new Map<string, Sent>();
  /** Sources whose look has not come back. */
  readonly #looking = new Set<Source>();
  #bytes = 0;
  #number = 0;
  #idleTicks = 0;
  #running = false;
  #tick = 0;

  constructor(api: Api) {
    this.#api = api;
    this.id = Buffer.from(api.random.bytes(6)).toString('hex');
    this.#sources = makeSources(api);
  }

  get lastNumber(): number {
    return this.#number;
  }

  /** Topics that anybody listens to. */
  topics(): ReadonlySet<string> {
    return new Set([...this.#listeners].flatMap(({ topics }) => [...topics]));
  }

  /** How many streams this key has open. */
  streamsOf(key: string): number {
    return [...this.#listeners].filter((listener) => listener.key === key).length;
  }

  get size(): number {
    return this.#listeners.size;
  }

  add(listener: Listener): void {
    this.#listeners.add(listener);
    this.#start();
  }

  remove(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Events behind this number; null: they are kept no longer, or the number is none of this hub. */
  since(number: number): readonly Sent[] | null {
    const oldest = this.#events[0]?.number ?? this.#number + 1;
    if (number > this.#number || number < oldest - 1) return null;
    return this.#events.filter((event) => event.number > number);
  }

  /** What a stream that begins is told first: what is wrong already. */
  standing(): readonly Sent[] {
    return [...this.#standing.values()];
  }

  #start(): void {
    this.#idleTicks = 0;
    if (this.#running) return;
    this.#running = true;
    this.#again();
  }

  #again(): void {
    this.#api.clock.after(tickMs, () => {
      void this.#look().finally(() => {
        this.#idleTicks = this.#listeners.size === 0 ? this.#idleTicks + 1 : 0;
        if (this.#idleTicks <= lingerTicks) return this.#again();
        this.#running = false;
        // What nobody watched is not known: whoever comes back begins anew.
        this.#events.length = 0;
        this.#bytes = 0;
        for (const source of this.#sources) source.forget();
      });
    });
  }

  async #look(): Promise<void> {
    this.#tick += 1;
    const topics = this.topics();
    for (const source of this.#sources) if (!this.#looking.has(source)) await Promise.race([this.#lookAt(source, topics), this.#api.clock.sleep(patienceMs)]);
  }

  /** One that hangs, as a Redis that does not answer makes it, is left alone until it comes back: the others go on, and the notice of it is one of them. */
  async #lookAt(source: Source, topics: ReadonlySet<string>): Promise<void> {
    this.#looking.add(source);
    try {
      for (const change of await source.look(topics, this.#tick)) this.#send(change);
    } catch (err) {
      this.#api.log.debug({ err, source: source.name }, 'live events not read');
    } finally {
      this.#looking.delete(source);
    }
  }

  #send(change: Change): void {
    const all = change.dataFor(everybody);
    if (all === null) return;
    this.#number += 1;
    const text = JSON.stringify(all);
    const sent: Sent = { ...change, number: this.#number, bytes: text.length, texts: new Map([['*', text]]) };
    this.#events.push(sent);
    if (change.event === 'notice') this.#keepNotice(sent, all as { readonly code: string; readonly ok: boolean });
    this.#bytes += sent.bytes;
    while (this.#events.length > keptEvents || (this.#bytes > keptBytes && this.#events.length > 1)) this.#bytes -= this.#events.shift()?.bytes ?? 0;
    for (const listener of this.#listeners) listener.hear(sent);
  }

  #keepNotice(sent: Sent, { code, ok }: { readonly code: string; readonly ok: boolean }): void {
    if (ok) this.#standing.delete(code);
    else this.#standing.set(code, sent);
  }
}

export const streamHub = perApi((api) => new StreamHub(api));
