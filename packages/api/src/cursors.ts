/**
 * Where a page of a list ends: opaque to callers, signed so that only what this installation gave out is read again, bound to the list and its filter, good
 * for a day. Pure but for the clock that is handed in.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { z } from 'zod';
import { ApiProblem } from './problem.ts';

const lifeMs = 24 * 3_600_000;
const macBytes = 16;

export class Cursors {
  readonly #key: Uint8Array;
  readonly #nowMs: () => number;

  constructor(key: Uint8Array, nowMs: () => number) {
    this.#key = key;
    this.#nowMs = nowMs;
  }

  /** `list`: what is paged through, filter included, such as `jobs state:failed`. */
  write(list: string, position: unknown): string {
    const body = Buffer.from(JSON.stringify([Math.floor(this.#nowMs() / 1_000), position]));
    return Buffer.concat([this.#mac(list, body), body]).toString('base64url');
  }

  /** Throws `CURSOR_INVALID`. */
  read<T>(list: string, cursor: string, shape: z.ZodType<T>): T {
    const bytes = Buffer.from(cursor, 'base64url');
    const body = bytes.subarray(macBytes);
    if (bytes.length <= macBytes || !timingSafeEqual(this.#mac(list, body), bytes.subarray(0, macBytes))) throw invalid('it is none of this list');
    const [atSeconds, position] = JSON.parse(body.toString()) as [number, unknown];
    if (this.#nowMs() - atSeconds * 1_000 > lifeMs) throw invalid('it is older than a day');
    const read = shape.safeParse(position);
    if (!read.success) throw invalid('it is of another version of this list');
    return read.data;
  }

  #mac(list: string, body: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(list).update('\0').update(body).digest().subarray(0, macBytes);
  }
}

function invalid(why: string): ApiProblem {
  const message = `cannot go on from this cursor: ${why}`;
  return new ApiProblem('CURSOR_INVALID', message, { issues: [{ pointer: '/query/cursor', code: 'CURSOR_INVALID', message }] });
}
