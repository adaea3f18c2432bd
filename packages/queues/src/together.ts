/**
 * Calls that come together go out together: while one is under way, those that come meanwhile wait and are sent as the next. Nobody waits for company: a
 * call that comes alone goes out at the end of the present turn of the event loop.
 */

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface TogetherOptions<Item> {
  /** Weight of one call at most; one item that is heavier goes alone. */
  readonly most: number;
  readonly weightOf?: (item: Item) => number;
}

export class Together<Item, Answer> {
  readonly #send: (name: string, items: readonly Item[]) => Promise<readonly Answer[]>;
  readonly #most: number;
  readonly #weightOf: (item: Item) => number;
  readonly #waiting = new Map<string, Waiting<Item, Answer>[]>();

  /** `send` answers as many as it is given, in their order. */
  constructor(send: (name: string, items: readonly Item[]) => Promise<readonly Answer[]>, { most, weightOf = () => 1 }: TogetherOptions<Item>) {
    this.#send = send;
    this.#most = most;
    this.#weightOf = weightOf;
  }

  /** Calls of one `name` may be joined. Rejects with what the joint call rejects with. */
  call(name: string, item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(name);
      if (waiting !== undefined) {
        waiting.push({ item, resolve, reject });
        return;
      }
      this.#waiting.set(name, [{ item, resolve, reject }]);
      setImmediate(() => void this.#drain(name));
    });
  }

  async #drain(name: string): Promise<void> {
    for (let some = this.#take(name); some.length > 0; some = this.#take(name)) {
      try {
        const answers = await this.#send(
          name,
          some.map(({ item }) => item),
        );
        for (const [index, { resolve }] of some.entries()) resolve(answers[index] as Answer);
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
  }

  /** As many as may go together; none, and the name is free again, when nobody waits. */
  #take(name: string): Waiting<Item, Answer>[] {
    const waiting = this.#waiting.get(name) ?? [];
    let weight = 0;
    let count = 0;
    for (const { item } of waiting) {
      weight += this.#weightOf(item);
      if (count > 0 && weight > this.#most) break;
      count += 1;
    }
    if (count === 0) this.#waiting.delete(name);
    return waiting.splice(0, count);
  }
}
