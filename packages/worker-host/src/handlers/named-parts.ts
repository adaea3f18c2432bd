/**
 * Which files receipts name, in sixteen bytes a file: a fingerprint of the URI and the size that the receipt says. Two URIs of one fingerprint would only keep
 * an orphan alive: what is named is always found. Pure.
 */
import { hash } from 'node:crypto';

const fill = 0.6;

export class NamedParts {
  #prints = new BigUint64Array(1_024);
  #sizes = new Float64Array(1_024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** `bytes`: what must be there. */
  add(uri: string, bytes: number): void {
    if (this.#count + 1 > this.#prints.length * fill) this.#grow();
    const at = slotOf(this.#prints, printOf(uri));
    if (this.#prints[at] === 0n) this.#count += 1;
    this.#prints[at] = printOf(uri);
    this.#sizes[at] = bytes;
  }

  has(uri: string): boolean {
    return this.#prints[slotOf(this.#prints, printOf(uri))] !== 0n;
  }

  /** The size that is to be there; null: it is not named. */
  bytesOf(uri: string): number | null {
    const at = slotOf(this.#prints, printOf(uri));
    return this.#prints[at] === 0n ? null : (this.#sizes[at] ?? null);
  }

  #grow(): void {
    const [prints, sizes] = [this.#prints, this.#sizes];
    this.#prints = new BigUint64Array(prints.length * 2);
    this.#sizes = new Float64Array(prints.length * 2);
    for (const [at, print] of prints.entries()) {
      if (print === 0n) continue;
      const slot = slotOf(this.#prints, print);
      this.#prints[slot] = print;
      this.#sizes[slot] = sizes[at] ?? 0;
    }
  }
}

/** Where a fingerprint stands, or would stand. */
function slotOf(prints: BigUint64Array, print: bigint): number {
  const mask = prints.length - 1;
  let at = Number(print & BigInt(mask));
  while (prints[at] !== 0n && prints[at] !== print) at = (at + 1) & mask;
  return at;
}

/** Never 0, which marks what is free. */
function printOf(uri: string): bigint {
  const print = hash('sha1', uri, 'buffer').readBigUInt64LE(0);
  return print === 0n ? 1n : print;
}
