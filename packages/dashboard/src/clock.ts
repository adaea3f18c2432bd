/** The only place of the pages that reads the clock; one ticking instant for everything that shows an age. */
import { useSyncExternalStore } from 'react';

export const nowMs = (): number => Date.now();

const tickMs = 1_000;
const listeners = new Set<() => void>();
let ticked = nowMs();
let timer: number | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(() => {
    if (document.hidden) return;
    ticked = nowMs();
    for (const each of listeners) each();
  }, tickMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    window.clearInterval(timer);
    timer = undefined;
  };
}

/** Now, in milliseconds, renewed each `stepSeconds` (at least 1): what shows whole minutes need not paint each second. */
export function useNow(stepSeconds = 1): number {
  const stepMs = stepSeconds * tickMs;
  return useSyncExternalStore(subscribe, () => Math.floor(Math.max(ticked, 0) / stepMs) * stepMs);
}
