/** Something that a test waits for, in place of sleeping. */

export class TestSignal<Value = void> {
  readonly #promise: Promise<Value>;
  #fire: (value: Value) => void = () => {};
  #fired = false;

  constructor() {
    this.#promise = new Promise((resolve) => {
      this.#fire = resolve;
    });
  }

  get fired(): boolean {
    return this.#fired;
  }

  /** The first value counts. */
  fire(value: Value): void {
    this.#fired = true;
    this.#fire(value);
  }

  /** Rejects, naming `what`, when nothing came in time. */
  async wait(what = 'the signal', withinMs = 5_000): Promise<Value> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what} did not come within ${withinMs} ms`)), withinMs);
    });
    try {
      return await Promise.race([this.#promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
