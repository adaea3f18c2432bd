/**
 * Pure: an operation as it stands and what was seen of its items → what to do next. Canary first, then at its rate; it pauses itself when the canary fails
 * or when more than half of the newest outcomes are failures; it is finished when every item has an outcome.
 */
import type { ItemCounts, Operation } from './redrive-plan.ts';

export const watchedOutcomes = 50;

export interface OperationDecision {
  /** The operation as it should stand; the same object when nothing of it has to be written. */
  readonly operation: Operation;
  /** How many items may be released in all; null: none more than have been. */
  readonly most: number | null;
  /** The newest outcomes, to be handed in again. */
  readonly recent: string;
}

/** `recent`: as it was answered last, or as the operation holds it. `before`: the counts it belongs to. */
export function decideOperation(operation: Operation, seen: ItemCounts, before: ItemCounts, recent: string, nowIso: string): OperationDecision {
  const newest = recentOutcomes(recent, seen.resolved - before.resolved, seen.failedAgain - before.failedAgain);
  const stay = (most: number | null): OperationDecision => ({ operation, most, recent: newest });
  const to = (changes: Partial<Operation>, most: number | null): OperationDecision => ({
    operation: { ...operation, counts: seen, recent: newest, ...changes },
    most,
    recent: newest,
  });
  const hasAll = seen.resolved + seen.failedAgain + seen.skipped >= seen.total;
  switch (operation.state) {
    case 'finished':
    case 'failed':
      return stay(null);
    case 'aborted':
      return hasAll && operation.endedAt === null ? to({ endedAt: nowIso }, null) : stay(null);
    case 'paused':
      return hasAll ? to({ state: 'finished', why: null, endedAt: nowIso }, null) : stay(null);
    case 'pending':
      return to({ state: 'running' }, mostOf(operation));
    case 'running': {
      if (hasAll) return to({ state: 'finished', endedAt: nowIso }, null);
      const why = whyToPause(operation, seen, newest);
      if (why !== null) return to({ state: 'paused', why }, null);
      if (isCanaryThrough(operation, seen)) return to({ canaryPassed: true }, operation.counts.total);
      return stay(mostOf(operation));
    }
    default:
      return operation.state satisfies never;
  }
}

const mostOf = ({ canary, canaryPassed, counts }: Operation): number => (canary === null || canaryPassed ? counts.total : Math.min(canary.count, counts.total));

/** Every item of the canary has an outcome. */
function isCanaryOver({ canary, canaryPassed, counts }: Operation, seen: ItemCounts): boolean {
  return canary !== null && !canaryPassed && seen.resolved + seen.failedAgain + seen.skipped >= Math.min(canary.count, counts.total);
}

const resolvedShare = ({ resolved, failedAgain }: ItemCounts): number => (resolved + failedAgain === 0 ? 1 : resolved / (resolved + failedAgain));

const isCanaryThrough = (operation: Operation, seen: ItemCounts): boolean =>
  isCanaryOver(operation, seen) && resolvedShare(seen) >= (operation.canary?.minResolved ?? 0);

function whyToPause(operation: Operation, seen: ItemCounts, recent: string): Operation['why'] {
  if (isCanaryOver(operation, seen) && !isCanaryThrough(operation, seen)) {
    const { resolved, failedAgain } = seen;
    const wanted = Math.round((operation.canary?.minResolved ?? 0) * 100);
    return {
      code: 'CANARY_FAILED',
      message: `${resolved} of the first ${resolved + failedAgain} were resolved, ${failedAgain} failed again; ${wanted} % had to be resolved`,
    };
  }
  const failed = [...recent].filter((outcome) => outcome === 'f').length;
  if (recent.length < watchedOutcomes || failed * 2 <= watchedOutcomes) return null;
  return { code: 'FAILING_AGAIN', message: `${failed} of the last ${watchedOutcomes} items failed again` };
}

/** The newest outcomes after some more; within one look their order is not known, so they are mixed evenly. */
export function recentOutcomes(recent: string, resolved: number, failedAgain: number): string {
  const added = Math.max(0, resolved) + Math.max(0, failedAgain);
  if (added === 0) return recent;
  // More than are watched: the newest are as the whole lot was.
  const shown = Math.min(added, watchedOutcomes);
  const failed = Math.round((Math.max(0, failedAgain) * shown) / added);
  let outcomes = '';
  for (let at = 0; at < shown; at++) outcomes += Math.floor(((at + 1) * failed) / shown) > Math.floor((at * failed) / shown) ? 'f' : 'r';
  return (recent + outcomes).slice(-watchedOutcomes);
}

/** What people ask of an operation that runs: the operation that comes of it, or why not. */
export function steeredOperation(
  operation: Operation,
  act: 'pause' | 'resume' | 'abort' | 'rate',
  ask: { readonly rate: number | null; readonly by: string; readonly reason: string },
): Operation | { readonly refused: string } {
  const { state } = operation;
  if (state === 'finished' || state === 'aborted' || state === 'failed') return { refused: `it is ${state}` };
  const why = {
    code: act === 'abort' ? 'ABORTED' : 'PAUSED',
    message: `${act === 'abort' ? 'aborted' : 'paused'} by ${ask.by}${ask.reason === '' ? '' : `: ${ask.reason}`}`,
  };
  switch (act) {
    case 'pause':
      return state === 'paused' ? { refused: 'it is paused' } : { ...operation, state: 'paused', why };
    case 'resume':
      // Whoever goes on has seen what failed: the watch begins anew.
      return state === 'paused'
        ? { ...operation, state: 'running', why: null, recent: '', canaryPassed: operation.canaryPassed || operation.why?.code === 'CANARY_FAILED' }
        : { refused: 'it is not paused' };
    case 'abort':
      return { ...operation, state: 'aborted', why };
    case 'rate':
      return { ...operation, rate: ask.rate };
    default:
      return act satisfies never;
  }
}
