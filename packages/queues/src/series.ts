/** What happened lately, in steps of time: written by the ledger's scripts with the change itself, so each thing is counted once. Lost with Redis. */
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { seriesKinds, waitBase } from './series-steps.ts';

export const seriesCounts = [
  'bytesIn',
  'bytesOut',
  'emitted',
  'filtered',
  'deduplicated',
  'rejected',
  'committed',
  'failed',
  'lost',
  'released',
  'dead',
] as const;
export type SeriesCount = (typeof seriesCounts)[number];

/** One step: counts, and waits of claimed chunks by the logarithm of their milliseconds. */
export interface SeriesStep {
  readonly startMs: number;
  readonly counts: Readonly<Record<SeriesCount, number>>;
  readonly waits: ReadonlyMap<number, number>;
}

export interface SeriesWindow {
  readonly stepMs: number;
  /** Oldest first; the last one is not over. */
  readonly steps: readonly SeriesStep[];
}

const keysAtOnce = 500;

export class Series {
  readonly #redis: RedisClient;
  readonly #keys: Keys;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
  }

  /** Tenants of which anything was ever counted. */
  async tenants(): Promise<string[]> {
    return (await this.#redis.smembers(this.#keys.seriesTenants)).sort();
  }

  /** Sums over these tenants, up to now by the clock of Redis. `windowMs` above an hour and ten minutes comes in steps of five minutes. */
  async read(tenants: readonly string[], windowMs: number): Promise<SeriesWindow> {
    const kind = seriesKinds.find(({ keepSeconds, stepMs }) => windowMs + stepMs <= keepSeconds * 1_000) ?? seriesKinds[1];
    const [seconds, micros] = await this.#redis.time();
    const last = Math.floor((Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)) / kind.stepMs);
    const count = Math.ceil(windowMs / kind.stepMs);
    const numbers = Array.from({ length: count }, (_, index) => last - count + 1 + index);
    const wanted = tenants.flatMap((tenant) => numbers.map((number) => ({ number, key: `${this.#keys.seriesPrefix}${tenant}:${kind.name}:${number}` })));
    const found = new Map<number, Record<string, string>[]>();
    for (let at = 0; at < wanted.length; at += keysAtOnce) {
      const some = wanted.slice(at, at + keysAtOnce);
      const hashes = await Promise.all(some.map(({ key }) => this.#redis.hgetall(key)));
      for (const [index, { number }] of some.entries()) {
        const fields = hashes[index] ?? {};
        if (Object.keys(fields).length > 0) found.set(number, [...(found.get(number) ?? []), fields]);
      }
    }
    return { stepMs: kind.stepMs, steps: numbers.map((number) => stepOf(number * kind.stepMs, found.get(number) ?? [])) };
  }
}

function stepOf(startMs: number, hashes: readonly Readonly<Record<string, string>>[]): SeriesStep {
  const counts = Object.fromEntries(seriesCounts.map((name) => [name, 0])) as Record<SeriesCount, number>;
  const waits = new Map<number, number>();
  for (const fields of hashes) {
    for (const [name, text] of Object.entries(fields)) {
      const by = Number(text);
      if (/^w\d+$/.test(name)) waits.set(Number(name.slice(1)), (waits.get(Number(name.slice(1))) ?? 0) + by);
      else if (Object.hasOwn(counts, name)) counts[name as SeriesCount] += by;
    }
  }
  return { startMs, counts, waits };
}

/** Steps put together by so many; the newest group is the one that may be short of its end, the oldest may be short of its beginning. */
export function coarser({ stepMs, steps }: SeriesWindow, by: number): SeriesWindow {
  if (by <= 1) return { stepMs, steps };
  const wideMs = stepMs * by;
  const groups = Map.groupBy(steps, ({ startMs }) => Math.floor(startMs / wideMs) * wideMs);
  return { stepMs: wideMs, steps: [...groups].map(([startMs, some]) => ({ ...sumOfSteps(some), startMs })) };
}

/** Everything that happened in these steps. */
export function sumOfSteps(steps: readonly SeriesStep[]): SeriesStep {
  const counts = Object.fromEntries(seriesCounts.map((name) => [name, steps.reduce((sum, step) => sum + step.counts[name], 0)]));
  const waits = new Map<number, number>();
  for (const step of steps) for (const [bucket, by] of step.waits) waits.set(bucket, (waits.get(bucket) ?? 0) + by);
  return { startMs: steps[0]?.startMs ?? 0, counts: counts as SeriesStep['counts'], waits };
}

/** Milliseconds that `share` of the waits did not pass, within an eighth; null when nothing was claimed. */
export function waitAt(waits: SeriesStep['waits'], share: number): number | null {
  const total = [...waits.values()].reduce((sum, by) => sum + by, 0);
  if (total === 0) return null;
  let passed = 0;
  for (const [bucket, by] of [...waits].sort(([a], [b]) => a - b)) {
    passed += by;
    // The middle of the bucket, as its logarithm sees it.
    if (passed >= share * total) return Math.round(waitBase ** (bucket + 0.5) - 1);
  }
  return null;
}
