/** Pure: how long an attempt may take. */

const BASE_MS = 60_000;
/** Slower than this and something is wrong: a disk gives a hundred times as much. */
const LEAST_BYTES_PER_MS = 1_000;

/** Milliseconds for a chunk of `bytes`, unless the job sets its own limit. A bisection may run twice as long. */
export function attemptDeadlineMs(bytes: number, limitMs: number | 'auto', isBisection = false): number {
  const once = limitMs === 'auto' ? BASE_MS + Math.ceil(bytes / LEAST_BYTES_PER_MS) : limitMs;
  return isBisection ? once * 2 : once;
}
