/** One execution of a task, and the union of how it can end. Ends are values; exceptions are faults. */
import type { Failure } from './failure.ts';
import type { AttemptId } from './ids.ts';
import type { Receipt } from './verdict.ts';

export const attemptOutcomes = ['committed', 'failed', 'lost', 'superseded', 'released', 'cancelled'] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

export type AttemptEnd =
  | { readonly outcome: 'committed'; readonly receipt: Receipt }
  | { readonly outcome: 'failed'; readonly failure: Failure }
  /** The verdict was filled by another: its attempt if that committed, null if the chunk is dead or closed. */
  | { readonly outcome: 'superseded'; readonly winner: AttemptId | null }
  | { readonly outcome: 'lost'; readonly failure: Failure }
  | { readonly outcome: 'released' | 'cancelled' };

/** A running or ended attempt, as lists show it; `outcome: null` is running. */
export interface Attempt {
  readonly attemptId: AttemptId;
  readonly generation: number;
  readonly worker: string;
  readonly pod: string | null;
  readonly node: string | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly outcome: AttemptOutcome | null;
}
