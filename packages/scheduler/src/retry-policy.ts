/** Pure: how a chunk failed and what was tried before → the next try, or none. Its test is a table. */
import type { AttemptFailureClass } from '@millrace/protocol';
import type { PastEnds } from '@millrace/queues';
import { fullJitter, type Random } from '@millrace/service-kit';

/** `same`: in the mode it had. `less`: alone and in smaller batches. */
export type RetryMode = 'same' | 'less' | 'bisect';

export type NextTry = { readonly next: 'retry'; readonly mode: RetryMode; readonly delayMs: number } | { readonly next: 'dead'; readonly reason: string };

export interface RetryPolicy {
  /** Of class `transient`. */
  readonly maxAttempts: number;
  readonly baseMs: number;
  readonly maxMs: number;
  /** False: a partition has no records in an order of bytes, so nothing can be cut off it. */
  readonly bisects: boolean;
}

/** So many losses count as one crash: a chunk that takes its whole host down is poison too. */
const lossesPerCrash = 3;
const crashesBeforeBisecting = 2;

/** `past` counts the attempt that has just ended. A loss uses up no attempt. */
export function decideNextTry(failed: AttemptFailureClass, past: PastEnds, policy: RetryPolicy, random: Pick<Random, 'next'>): NextTry {
  const crashes = past.crash + Math.floor(past.lost / lossesPerCrash);
  const mayBisect = policy.bisects && crashes >= crashesBeforeBisecting;
  const nthCure = (cures: readonly RetryMode[], times: number): NextTry => {
    const cure = cures[times - 1];
    return cure === undefined ? dead('attempts used up') : retry(cure);
  };
  switch (failed) {
    case 'input':
      return dead('retrying cannot cure it');
    case 'transient':
      if (past.transient >= policy.maxAttempts) return dead('attempts used up');
      return retry(mayBisect && !past.bisected ? 'bisect' : 'same', fullJitter(past.transient, policy, random));
    case 'resource':
      if (!policy.bisects) return nthCure(['less', 'less'], past.resource);
      return past.bisected ? dead('bisecting did not help') : nthCure(['less', 'bisect'], past.resource);
    case 'crash':
      if (!policy.bisects) return nthCure(['same', 'less'], crashes);
      if (!mayBisect) return retry('same');
      return past.bisected ? dead('bisecting isolated nothing') : retry('bisect');
    case 'lost':
      // Never dead by losses alone: hosts come and go.
      return retry(mayBisect && !past.bisected ? 'bisect' : 'same');
    case 'bug':
      return nthCure(['same'], past.bug);
    default:
      return failed satisfies never;
  }
}

function retry(mode: RetryMode, delayMs = 0): NextTry {
  return { next: 'retry', mode, delayMs };
}

function dead(reason: string): NextTry {
  return { next: 'dead', reason };
}
