/** Rejects as they are, put together as a set that a replay takes: what an upload of corrections does for rejects that people changed. */
import { rejectFields } from '@millrace/api-contract';
import { gatherCorrections, type RejectRow, rejectItem } from '@millrace/journal';
import { type JobId, matchesFilter, parseFilter } from '@millrace/protocol';
import type { Api } from '../api.ts';
import type { Caller } from '../auth/caller.ts';
import { ApiProblem } from '../problem.ts';
import { checkFilter } from './bad-request.ts';

const shownCannot = 1_000;

export interface ReplaySet {
  readonly correctionId: string;
  /** As it was understood; null: by ids. */
  readonly filter: string | null;
  readonly cannot: readonly { readonly id: string; readonly reason: string }[];
}

/** Throws `STATE_CONFLICT` for a job that has not ended, `REJECT_UNKNOWN` for ids that name none, `FILTER_EMPTY` and `PLAN_EMPTY`. */
export async function unchangedSet(
  jobId: JobId,
  which: { readonly filter: string | undefined; readonly ids: readonly string[] | undefined },
  caller: Caller,
  api: Api,
): Promise<ReplaySet> {
  const view = await api.jobs.view(jobId, caller);
  const manifest = view.manifests.find(({ generation }) => generation === view.generation);
  if (manifest === undefined) throw new ApiProblem('STATE_CONFLICT', `cannot replay rejects of ${jobId}: generation ${view.generation} has not ended yet`);
  const text = which.filter === undefined ? null : checkFilter(which.filter, rejectFields, '/filter');
  const filter = text === null ? null : parseFilter(text, rejectFields);
  const nowMs = api.clock.nowMs();
  const wanted = which.ids === undefined ? null : new Set(which.ids);
  const seen = new Set<string>();
  const matches = (row: RejectRow): boolean => {
    const isIt = wanted === null ? filter === null || matchesFilter(filter, rejectItem(row, 'open'), nowMs) : wanted.has(row.rejectId);
    if (isIt) seen.add(row.rejectId);
    return isIt;
  };
  const replayed = await api.journal.replayedRejects(view);
  const gathered = await gatherCorrections(view, api.journal.listManifest(manifest, 'rejects'), replayed, api.core, { edited: null, matches });
  const unknown = [...(wanted ?? [])].filter((id) => !seen.has(id) && !replayed.replaced.has(id));
  if (unknown.length > 0) {
    throw new ApiProblem('REJECT_UNKNOWN', `${unknown.length} ids name no reject of job ${jobId}`, { details: { ids: unknown.slice(0, shownCannot) } });
  }
  const cannot = gathered.cannot.slice(0, shownCannot).map(({ rejectId, reason }) => ({ id: rejectId, reason: reason.slice(0, 500) }));
  if (gathered.rejects.length === 0) {
    const [first] = cannot;
    if (first === undefined) throw new ApiProblem('FILTER_EMPTY', `no reject of job ${jobId} matches, or all of them were replayed`);
    throw new ApiProblem('PLAN_EMPTY', `none of ${gathered.cannot.length} rejects can be replayed: ${first.id}: ${first.reason}`, { details: { cannot } });
  }
  const set = await api.journal.putCorrection(jobId, gathered.rejects, { at: api.clock.nowIso(), by: caller.by });
  return { correctionId: set.record.correctionId, filter: text, cannot };
}
