/** Every attempt at a chunk that ended, from its failure records and receipts. */
import { type AttemptView, attemptsNewestFirst, type JobId, type Receipt } from '@millrace/protocol';

import { readFailures } from '../failures.ts';
import type { Store } from '../store.ts';
import { readVerdict } from '../verdicts.ts';

/** Generations that are looked into at once. */
const atOnce = 16;

/** Newest first, of generations up to this one. Works for planning and finishing too, whose stages are `plan` and `finish`. */
export async function readAttempts(store: Store, jobId: JobId, stage: string, chunk: number, generation: number): Promise<AttemptView[]> {
  const [failures, receipts] = await Promise.all([readFailures(store, jobId, stage, chunk), readReceipts(store, jobId, stage, chunk, generation)]);
  return attemptsNewestFirst(
    failures.map(({ record }) => record),
    receipts,
  );
}

/**
 * The receipts of a chunk, oldest first: one of a map chunk, one for each of its inputs of a reduce chunk. Each is asked for by its name: a listing of the
 * verdicts of a stage would see those of all its chunks.
 */
export async function readReceipts(store: Store, jobId: JobId, stage: string, chunk: number, generation: number): Promise<Receipt[]> {
  const found: Receipt[] = [];
  for (let first = 1; first <= generation; first += atOnce) {
    const numbers = Array.from({ length: Math.min(atOnce, generation - first + 1) }, (_, at) => first + at);
    const verdicts = await Promise.all(numbers.map((number) => readVerdict(store, jobId, stage, chunk, number)));
    for (const verdict of verdicts) if (verdict?.record.outcome === 'committed') found.push(verdict.record);
  }
  return found;
}
