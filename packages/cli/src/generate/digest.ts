import { hash } from 'node:crypto';

/**
 * Order-free digest of a multiset of rows: count, Σ h and Σ h² (mod 2¹²⁸), h being the first 64 bits of SHA-256 over the canonical row.
 * Sums and not XOR, because XOR cancels pairs. Kept as sums of 32-bit halves, so that an SQL engine can compute the same.
 */
export interface RowDigest {
  readonly rows: number;
  readonly sum: string;
  readonly sumOfSquares: string;
}

const MODULUS = 1n << 128n;
const WORD = 2 ** 32;

/** Length-prefixed values, so that no two rows share a text; null is `-`. Lengths count characters (Unicode scalar values). */
export function canonicalRow(values: readonly (string | null)[]): string {
  let text = '';
  for (const value of values) text += value === null ? '-' : `${scalarLength(value)}:${value}`;
  return text;
}

function scalarLength(text: string): number {
  let surrogates = 0;
  for (let index = 0; index < text.length; index += 1) if ((text.charCodeAt(index) & 0xfc00) === 0xdc00) surrogates += 1;
  return text.length - surrogates;
}

/** A sum of whole numbers below 2⁵² each that never loses a bit: a double holds 53. */
class ExactSum {
  #recent = 0;
  #folded = 0n;

  add(value: number): void {
    this.#recent += value;
    if (this.#recent >= 2 ** 52) {
      this.#folded += BigInt(this.#recent);
      this.#recent = 0;
    }
  }

  value(): bigint {
    return this.#folded + BigInt(this.#recent);
  }
}

/** Sum of products of 32-bit numbers, its high and low words kept apart so that every step stays below 2⁵². */
class ProductSum {
  readonly #high = new ExactSum();
  readonly #low = new ExactSum();

  add(left: number, right: number): void {
    const upper = (left >>> 16) * right; // below 2⁴⁸
    const lower = (left & 0xffff) * right; // below 2⁴⁸
    this.#high.add(Math.floor(upper / 65_536) + Math.floor(lower / WORD));
    this.#low.add((upper % 65_536) * 65_536 + (lower % WORD));
  }

  value(): bigint {
    return (this.#high.value() << 32n) + this.#low.value();
  }
}

/** Collects rows one by one. */
export class RowDigester {
  #rows = 0;
  readonly #high = new ExactSum();
  readonly #low = new ExactSum();
  readonly #highHigh = new ProductSum();
  readonly #highLow = new ProductSum();
  readonly #lowLow = new ProductSum();

  add(canonical: string): void {
    const digest = hash('sha256', canonical, 'buffer');
    const high = digest.readUInt32BE(0);
    const low = digest.readUInt32BE(4);
    this.#rows += 1;
    this.#high.add(high);
    this.#low.add(low);
    this.#highHigh.add(high, high);
    this.#highLow.add(high, low);
    this.#lowLow.add(low, low);
  }

  digest(): RowDigest {
    return digestOfSums(this.#rows, this.#high.value(), this.#low.value(), this.#highHigh.value(), this.#highLow.value(), this.#lowLow.value());
  }
}

/** The digest from sums of the two 32-bit halves of h and of their products. */
export function digestOfSums(rows: number, high: bigint, low: bigint, highHigh: bigint, highLow: bigint, lowLow: bigint): RowDigest {
  const sum = ((high << 32n) + low) % MODULUS;
  const squares = ((highHigh << 64n) + (highLow << 33n) + lowLow) % MODULUS;
  return { rows, sum: sum.toString(16), sumOfSquares: squares.toString(16) };
}
