/** So many requests a minute for each caller, with room for a burst. In memory: each server counts for itself. Bounded; who was not seen longest is forgotten. */
export class RateLimits {
  readonly #levels = new Map<string, { level: number; atMs: number }>();
  readonly #nowMs: () => number;
  readonly #limit: number;

  constructor(nowMs: () => number, limit = 20_000) {
    this.#nowMs = nowMs;
    this.#limit = limit;
  }

  /** Null: go on. Else after how many seconds to come again. The bucket holds a minute's worth. */
  take(key: string, perMinute: number): number | null {
    const nowMs = this.#nowMs();
    const known = this.#levels.get(key);
    const level = known === undefined ? perMinute : Math.min(perMinute, known.level + ((nowMs - known.atMs) * perMinute) / 60_000);
    this.#levels.delete(key);
    this.#levels.set(key, { level: level >= 1 ? level - 1 : level, atMs: nowMs });
    const oldest = this.#levels.keys().next();
    if (this.#levels.size > this.#limit && !oldest.done) this.#levels.delete(oldest.value);
    return level >= 1 ? null : Math.ceil(((1 - level) * 60) / perMinute);
  }

  /** The same without taking: whether there is anything left. */
  isSpent(key: string, perMinute: number): boolean {
    const known = this.#levels.get(key);
    return known !== undefined && known.level + ((this.#nowMs() - known.atMs) * perMinute) / 60_000 < 1;
  }
}
