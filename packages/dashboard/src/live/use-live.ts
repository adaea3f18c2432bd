/** Live events for components. */
import { type QueryKey, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useSyncExternalStore } from 'react';
import { type LiveEvent, type LiveStatus, live } from './live.ts';

export function useLiveStatus(): LiveStatus {
  return useSyncExternalStore(live.watch, live.read);
}

/** Calls `onEvent` for all that comes on these topics, and for `poll` and `reset`, which ask to fetch again. */
export function useLive(topics: readonly string[], onEvent: (event: LiveEvent) => void): void {
  const latest = useRef(onEvent);
  latest.current = onEvent;
  const key = topics.join(',');
  useEffect(() => (key === '' ? undefined : live.listen(key.split(','), (event) => latest.current(event))), [key]);
}

const settleMs = 1_000;

/**
 * Fetches these queries again when something on the topics happened, at most once a second: the server sends two events a second of a topic.
 * `concerns` leaves out events of other things on the same topic.
 */
export function useLiveRefetch(topics: readonly string[], queryKeys: readonly QueryKey[], concerns: (event: LiveEvent) => boolean = () => true): void {
  const client = useQueryClient();
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  useLive(topics, (event) => {
    if (event.type !== 'poll' && event.type !== 'reset' && !concerns(event)) return;
    timer.current ??= window.setTimeout(() => {
      timer.current = undefined;
      for (const queryKey of queryKeys) void client.invalidateQueries({ queryKey });
    }, settleMs);
  });
}
