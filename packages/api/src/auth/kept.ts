/** What was read lately, for so long and no longer: how late a revocation may be heard. Bounded; the oldest goes first. */
export class Kept<Value> {
  readonly #entries = new Map<string, { readonly value: Promise<Value>; readonly atMs: number }>();
  readonly #lifeMs: number;
  readonly #limit: number;
  readonly #nowMs: () => number;

  constructor(options: { readonly lifeMs: number; readonly limit: number; readonly nowMs: () => number }) {
    this.#lifeMs = options.lifeMs;
    this.#limit = options.limit;
    this.#nowMs = options.nowMs;
  }

  /** Those who ask at once share one reading; a reading that fails is not kept. */
  get(key: string, read: () => Promise<Value>): Promise<Value> {
    const nowMs = this.#nowMs();
    const known = this.#entries.get(key);
    if (known !== undefined && nowMs - known.atMs < this.#lifeMs) return known.value;
    const value = read();
    this.#entries.delete(key);
    this.#entries.set(key, { value, atMs: nowMs });
    value.catch(() => this.forget(key));
    const oldest = this.#entries.keys().next();
    if (this.#entries.size > this.#limit && !oldest.done) this.#entries.delete(oldest.value);
    return value;
  }

  /** It was read at some time, and not so long ago that others took its place. */
  knows(key: string): boolean {
    return this.#entries.has(key);
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }
}
