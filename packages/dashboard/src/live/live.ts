/**
 * Live events, one stream for the whole browser: the tab that holds the Web Lock reads `/v1/stream` for all and passes events on over a
 * BroadcastChannel. Each tab tells what it wants to hear of; the leader asks for the union. Where streams are blocked every tab polls instead.
 * Counts in events are absolute, so a lost event does no harm.
 */
import { nowMs } from '../clock.ts';
import { type ChannelMessage, isStale, joinTopics, nextRetryMs, type Wants } from './live-topics.ts';

export interface LiveEvent {
  /** As the server names it: `job`, `chunk`, `notice`, …; `poll` asks to refetch where no stream can be had, `reset` after a gap. */
  readonly type: string;
  readonly data: unknown;
}

export type LiveState = 'live' | 'polling' | 'paused' | 'reconnecting';

export interface LiveStatus {
  readonly state: LiveState;
  /** When the last sign of life came; null before the first. */
  readonly heardAtMs: number | null;
}

const eventTypes = ['job', 'chunk', 'errorGroup', 'deadLetter', 'operation', 'worker', 'queue', 'notice', 'reset'] as const;
const lockName = 'millrace-live';
const pollMs = 5_000;
const announceMs = 10_000;
/** After so many failures in a row a stream counts as blocked. */
const failuresUntilPolling = 3;

type Listener = (event: LiveEvent) => void;

class LiveEvents {
  private readonly tab = crypto.randomUUID();
  private readonly channel = new BroadcastChannel(lockName);
  private readonly listeners = new Map<Listener, readonly string[]>();
  private readonly watchers = new Set<() => void>();
  private status: LiveStatus = { state: 'reconnecting', heardAtMs: null };
  private others: Wants = new Map();
  /** What is wrong now, by code, for tabs that come later. */
  private readonly standing = new Map<string, unknown>();
  private isLeader = false;
  private isPaused = false;
  private source: EventSource | null = null;
  private sourceTopics = '';
  private failures = 0;
  private retryTimer: number | undefined;
  private rewireTimer: number | undefined;
  private started = false;

  start(): void {
    if (this.started) return;
    this.started = true;
    this.channel.onmessage = ({ data }: MessageEvent<ChannelMessage>) => this.onMessage(data);
    window.setInterval(() => this.announce(), announceMs);
    window.setInterval(() => this.onTick(), pollMs);
    window.addEventListener('pagehide', () => this.channel.postMessage({ kind: 'gone', tab: this.tab } satisfies ChannelMessage));
    if (navigator.locks === undefined) this.lead();
    else void navigator.locks.request(lockName, () => new Promise<never>(() => this.lead()));
    this.announce();
  }

  readonly read = (): LiveStatus => this.status;

  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  listen(topics: readonly string[], listener: Listener): () => void {
    this.listeners.set(listener, topics);
    this.announce();
    return () => {
      this.listeners.delete(listener);
      this.announce();
    };
  }

  /** Stops what changes under the eyes of the person; going on refetches. */
  setPaused(paused: boolean): void {
    this.isPaused = paused;
    this.setState(paused ? 'paused' : this.source?.readyState === EventSource.OPEN || !this.isLeader ? 'live' : 'reconnecting');
    if (!paused) this.hand({ type: 'reset', data: null });
  }

  private lead(): void {
    this.isLeader = true;
    this.channel.postMessage({ kind: 'whoIsThere' } satisfies ChannelMessage);
    this.wire();
  }

  private announce(): void {
    const topics = joinTopics([...this.listeners.values()]);
    this.channel.postMessage({ kind: 'wants', tab: this.tab, topics } satisfies ChannelMessage);
    this.wireSoon();
  }

  private onMessage(message: ChannelMessage): void {
    switch (message.kind) {
      case 'wants':
        if (this.isLeader && !this.others.has(message.tab)) this.tellStanding();
        if (message.topics.length === 0) this.others.delete(message.tab);
        else this.others.set(message.tab, { topics: message.topics, atMs: nowMs() });
        this.wireSoon();
        break;
      case 'gone':
        this.others.delete(message.tab);
        this.wireSoon();
        break;
      case 'whoIsThere':
        this.announce();
        break;
      case 'state':
        if (!this.isLeader) this.setState(message.state, message.heardAtMs);
        break;
      case 'event':
        if (!this.isLeader) this.hand({ type: message.type, data: message.data });
        break;
      default:
        message satisfies never;
    }
  }

  /** A page that opens declares several topics at once: the stream is opened for all of them together. */
  private wireSoon(): void {
    if (!this.isLeader) return;
    window.clearTimeout(this.rewireTimer);
    this.rewireTimer = window.setTimeout(() => this.wire(), 150);
  }

  private wire(): void {
    for (const [tab, { atMs }] of this.others) if (nowMs() - atMs > 3 * announceMs) this.others.delete(tab);
    const topics = joinTopics([...this.listeners.values(), ...[...this.others.values()].map((wants) => wants.topics)]).join(',');
    if (topics === this.sourceTopics && this.source !== null) return;
    this.close();
    this.sourceTopics = topics;
    if (topics === '') this.publishState('live');
    else this.open(topics);
  }

  private open(topics: string): void {
    const source = new EventSource(`/v1/stream?topics=${encodeURIComponent(topics)}`);
    this.source = source;
    source.onopen = () => {
      this.failures = 0;
      this.publishState('live');
    };
    source.onerror = () => this.onBroken(source);
    for (const type of eventTypes) source.addEventListener(type, (event: MessageEvent<string>) => this.onServerEvent(type, event.data));
  }

  /** Browsers reconnect by themselves only while the answer was a stream; after an error status we must. */
  private onBroken(source: EventSource): void {
    if (source !== this.source) return;
    this.failures += 1;
    this.publishState(this.failures >= failuresUntilPolling ? 'polling' : 'reconnecting');
    if (source.readyState !== EventSource.CLOSED) return;
    this.source = null;
    window.clearTimeout(this.retryTimer);
    this.retryTimer = window.setTimeout(() => this.wire(), nextRetryMs(this.failures));
  }

  private onServerEvent(type: string, text: string): void {
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      return;
    }
    this.publishState('live');
    if (type === 'notice') this.keepNotice(data);
    if (type === 'reset') this.standing.clear();
    this.channel.postMessage({ kind: 'event', type, data } satisfies ChannelMessage);
    this.hand({ type, data });
  }

  private keepNotice(data: unknown): void {
    const { code, ok } = data as { readonly code: string; readonly ok: boolean };
    if (ok) this.standing.delete(code);
    else this.standing.set(code, data);
  }

  private tellStanding(): void {
    for (const data of this.standing.values()) this.channel.postMessage({ kind: 'event', type: 'notice', data } satisfies ChannelMessage);
  }

  private onTick(): void {
    if (this.isLeader && this.source?.readyState === EventSource.OPEN) this.publishState('live');
    if (this.isLeader && this.source === null && this.sourceTopics !== '' && this.retryTimer === undefined) this.wire();
    const isSilent = !this.isLeader && isStale(this.status.heardAtMs, nowMs());
    if (isSilent) this.setState('reconnecting', this.status.heardAtMs);
    if (this.status.state === 'polling' && !document.hidden) this.hand({ type: 'poll', data: null });
  }

  private publishState(state: LiveState): void {
    const heardAtMs = state === 'live' ? nowMs() : this.status.heardAtMs;
    this.channel.postMessage({ kind: 'state', state, heardAtMs } satisfies ChannelMessage);
    this.setState(state, heardAtMs);
  }

  private setState(state: LiveState, heardAtMs = this.status.heardAtMs): void {
    const shown = this.isPaused ? 'paused' : state;
    if (shown === this.status.state && heardAtMs === this.status.heardAtMs) return;
    this.status = { state: shown, heardAtMs };
    for (const watcher of this.watchers) watcher();
  }

  private hand(event: LiveEvent): void {
    // What is wrong with the server is told to who looks at data that stand still, too.
    if (this.isPaused && event.type !== 'notice') return;
    for (const listener of [...this.listeners.keys()]) listener(event);
  }

  private close(): void {
    window.clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.source?.close();
    this.source = null;
  }
}

export const live = new LiveEvents();
