/** Loops over very many chunks, cut so that others have their turn: nobody waits longer than for some thousands of chunks. */
import { setImmediate as giveWay } from 'node:timers/promises';

const atOnce = 16_384;

/** Calls `each` for every number below `count`, in order. */
export async function inTurns(count: number, each: (number: number) => void): Promise<void> {
  for (let from = 0; from < count; from += atOnce) {
    const to = Math.min(count, from + atOnce);
    for (let number = from; number < to; number += 1) each(number);
    if (to < count) await giveWay();
  }
}
