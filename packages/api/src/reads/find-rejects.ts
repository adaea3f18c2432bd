/** Rejects that a filter holds for, in the order of the job, a page at a time. What one request looks at is bounded; its page may then be short, or empty. */
import { rejectFields } from '@millrace/api-contract';
import { type RejectRow, type ReplayedReject, rejectItem } from '@millrace/journal';
import { type Filter, matchesFilter, parseFilter } from '@millrace/protocol';
import type { Api } from '../api.ts';
import type { LookedAt } from './look.ts';
import { chunksWithRejects, type RejectPlace, readRows, rejectFiles } from './reject-files.ts';

/** A reject and how it stands with replays. */
export interface FoundReject {
  readonly row: RejectRow;
  readonly state: 'open' | 'replaying' | 'replayed';
}

export interface RejectQuery {
  readonly filter: Filter;
  readonly replays: ReadonlyMap<string, ReplayedReject>;
  readonly nowMs: number;
}

/** Of one request: rows, and files that are opened or receipts that are read for them. */
const mostRows = 20_000;
const mostFiles = 500;
const rowsAtOnce = 1_000;

export const readRejectFilter = (text: string): Filter => parseFilter(text, rejectFields);

export function stateOf(rejectId: string, replays: ReadonlyMap<string, ReplayedReject>): FoundReject['state'] {
  const replay = replays.get(rejectId);
  return replay === undefined ? 'open' : replay.isCommitted ? 'replayed' : 'replaying';
}

/** `next`: where to go on; null: that was all. */
export async function rejectPage(
  looked: LookedAt,
  query: RejectQuery,
  { from, limit, signal }: { readonly from: RejectPlace; readonly limit: number; readonly signal: AbortSignal },
  api: Api,
): Promise<{ readonly found: readonly FoundReject[]; readonly next: RejectPlace | null }> {
  const found: FoundReject[] = [];
  let [rows, files] = [0, 0];
  for (const chunk of chunksWithRejects(looked, from.chunk)) {
    let row = chunk === from.chunk ? from.row : 0;
    if (files >= mostFiles || rows >= mostRows) return { found, next: { chunk, row } };
    if (!mayHold(looked, chunk, query)) continue;
    const parts = await rejectFiles(looked, chunk, api);
    files += 1;
    for (;;) {
      const some = await readRows(parts, row, Math.min(rowsAtOnce, looksForAll(query) ? limit - found.length + 1 : rowsAtOnce), api, signal);
      if (some.length === 0) break;
      for (const one of some) {
        const candidate = candidateOf(one, query);
        if (candidate !== null && found.length >= limit) return { found, next: { chunk, row } };
        if (candidate !== null) found.push(candidate);
        row += 1;
        rows += 1;
      }
      if (rows >= mostRows) return { found, next: { chunk, row } };
    }
  }
  return { found, next: null };
}

/** All that match, as long as somebody reads on. */
export async function* allRejects(looked: LookedAt, query: RejectQuery, api: Api, signal: AbortSignal): AsyncGenerator<FoundReject> {
  let from: RejectPlace | null = { chunk: 0, row: 0 };
  while (from !== null) {
    signal.throwIfAborted();
    const page: Awaited<ReturnType<typeof rejectPage>> = await rejectPage(looked, query, { from, limit: rowsAtOnce, signal }, api);
    yield* page.found;
    from = page.next;
  }
}

const looksForAll = ({ filter }: RejectQuery): boolean => filter.terms.length === 0;

/** Terms over the chunk alone are judged before its files are opened. */
function mayHold({ plan }: LookedAt, chunk: number, { filter, nowMs }: RejectQuery): boolean {
  const stage = plan.index.segments[plan.index.segmentOf(chunk)]?.stage;
  const terms = filter.terms.filter(({ field }) => field === 'stage' || field === 'chunk');
  return terms.length === 0 || matchesFilter({ terms, text: '' }, { stage, chunk }, nowMs);
}

/** Null: the filter does not hold. One that was replayed is a reject no more, and is shown only to who asks for a state. */
function candidateOf(row: RejectRow, { filter, replays, nowMs }: RejectQuery): FoundReject | null {
  const state = stateOf(row.rejectId, replays);
  if (state === 'replayed' && filter.terms.every(({ field }) => field !== 'state')) return null;
  return matchesFilter(filter, rejectItem(row, state), nowMs) ? { row, state } : null;
}
