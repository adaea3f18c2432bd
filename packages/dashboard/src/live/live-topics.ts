/** What tabs say to each other about the event stream, and the decisions on it. Pure. */
import type { LiveState } from './live.ts';

export type ChannelMessage =
  | { readonly kind: 'wants'; readonly tab: string; readonly topics: readonly string[] }
  | { readonly kind: 'gone'; readonly tab: string }
  | { readonly kind: 'whoIsThere' }
  | { readonly kind: 'state'; readonly state: LiveState; readonly heardAtMs: number | null }
  | { readonly kind: 'event'; readonly type: string; readonly data: unknown };

/** By tab. */
export type Wants = Map<string, { readonly topics: readonly string[]; readonly atMs: number }>;

/** As many as the server takes: more jobs than that are never shown one by one. */
const maxTopics = 20;

export function joinTopics(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].toSorted().slice(0, maxTopics);
}

/** Doubles from two seconds up to half a minute. */
export function nextRetryMs(failures: number): number {
  return Math.min(30_000, 2_000 * 2 ** Math.max(0, failures - 1));
}

/** The server sends a sign of life every 15 s, and the leading tab passes one on every 5 s. */
export function isStale(heardAtMs: number | null, nowMs: number): boolean {
  return heardAtMs === null || nowMs - heardAtMs > 20_000;
}
