/** What replays have taken up: which chunk reads a reject once more, and where its bytes lie. From the plans of the chunks that do, which are few. */
import { isKeyStage, type Origin } from '@millrace/protocol';

import type { KeptJobs } from './kept-jobs.ts';
import type { PlanIndex } from './plan-index.ts';

/** A reject as a replay takes it up. */
export interface ReplayedReject {
  readonly rejectId: string;
  readonly chunk: number;
  readonly stage: string;
  readonly generation: number;
  /** The chunk has committed: the record has its newest fate in its receipt. */
  readonly isCommitted: boolean;
  readonly origin: Origin;
  /** Of the bytes that are read in its place: a key of the journal, and where there. */
  readonly key: string;
  readonly offset: number;
  readonly length: number;
}

/** By reject; of several that name one, the chunk that has committed, else the newest. A pass over keys leaves the fate to the chunk behind it. */
export async function readReplays(kept: KeptJobs, index: PlanIndex, isCommitted: (chunk: number) => boolean): Promise<Map<string, ReplayedReject>> {
  const found = new Map<string, ReplayedReject>();
  for (const number of index.replays()) {
    const place = index.at(number);
    if (place === null) continue;
    const { chunk } = await kept.chunk(place);
    if (chunk.kind !== 'inline') continue;
    const { stage, generation } = place;
    for (const { key: rejectId, offset, length, origin } of chunk.payloads) {
      if (origin === undefined || found.get(rejectId)?.isCommitted) continue;
      const bytes = { key: chunk.key, offset: chunk.offset + offset, length };
      found.set(rejectId, { rejectId, chunk: number, stage, generation, isCommitted: !isKeyStage(stage) && isCommitted(number), origin, ...bytes });
    }
  }
  return found;
}
