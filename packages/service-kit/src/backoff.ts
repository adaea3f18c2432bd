/** Delays before trying again. Pure: full jitter, because equal delays make those who failed together come back together. */
import type { Random } from './clock.ts';

export interface BackoffPolicy {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Delay before try number `tries` + 1, from 0 up to base × 2^(tries − 1), at most `maxMs`. `tries` counts from 1. */
export function fullJitter(tries: number, policy: BackoffPolicy, random: Pick<Random, 'next'>): number {
  const ceiling = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(Math.max(tries, 1) - 1, 52));
  return Math.floor(random.next() * ceiling);
}
