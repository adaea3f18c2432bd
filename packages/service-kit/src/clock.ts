/** Time, randomness and ids, handed in wherever they are needed: the only file that asks the machine for them. */
import { randomBytes } from 'node:crypto';
import { hrtime } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

import type { IdSource } from '@millrace/protocol';

export interface Clock {
  /** Milliseconds since 1970; may jump. For instants that people read. */
  nowMs(): number;
  /** RFC 3339 in UTC with milliseconds. */
  nowIso(): string;
  /** Milliseconds since some start; never goes back. For leases, deadlines and durations. */
  monotonicMs(): number;
  /** Resolves after so long; rejects with the signal's reason when that is raised first. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `act` once after so long; the answer takes that back. Does not keep the process alive. */
  after(ms: number, act: () => void): () => void;
}

export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number;
  bytes(count: number): Uint8Array;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  nowIso: () => new Date().toISOString(),
  monotonicMs: () => Number(hrtime.bigint()) / 1e6,
  sleep: (ms, signal) =>
    delay(ms, undefined, { ref: false, ...(signal && { signal }) }).catch((error: unknown) => Promise.reject(signal?.aborted ? signal.reason : error)),
  after: (ms, act) => {
    const timer = setTimeout(act, ms).unref();
    return () => clearTimeout(timer);
  },
};

export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (count) => (count > randomBytesAtOnce ? randomBytes(count) : fromPool(count)),
};

/** The kernel is asked for many bytes at once: an id takes ten of them. No byte is given out twice, and none stays where it was. */
const randomBytesAtOnce = 4_096;
let pool = new Uint8Array(0);
let used = 0;

function fromPool(count: number): Uint8Array {
  if (used + count > pool.length) {
    // A plain array: `slice` of a Buffer would hand out the pool itself.
    pool = new Uint8Array(randomBytes(randomBytesAtOnce));
    used = 0;
  }
  const bytes = pool.slice(used, used + count);
  pool.fill(0, used, used + count);
  used += count;
  return bytes;
}

/** Where new ids come from. */
export function idSource(clock: Clock = systemClock, random: Random = systemRandom): IdSource {
  return { nowMs: () => clock.nowMs(), randomBytes: (count) => random.bytes(count) };
}
