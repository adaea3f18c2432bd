/**
 * A job looked at: its plan as an index, and the states of its chunks, from the ledger where Redis has them, else from the journal. Nothing here grows with a
 * request: plans are kept between them, and states are bits.
 */
import { bitAt, type ChunkStates, type JobOutline, type JobPlan, type OutcomeBits, type ReplayedReject, readReplays } from '@millrace/journal';
import {
  type ChunkState,
  type Command,
  isTerminalJobState,
  type JobId,
  type JobRecord,
  type JobState,
  type Manifest,
  type Retirable,
} from '@millrace/protocol';
import type { LedgerChunkView, LedgerJobView } from '@millrace/queues';
import type { Api } from '../api.ts';
import type { Caller } from '../auth/caller.ts';
import { ApiProblem } from '../problem.ts';

export interface LookedAt {
  readonly record: JobRecord;
  readonly outline: JobOutline;
  readonly plan: JobPlan;
  /** Null: Redis is away, or its ledger does not hold this generation. */
  readonly ledger: LedgerJobView | null;
  readonly state: JobState;
  /** Of the newest generation; null while it has not ended. */
  readonly manifest: Manifest | null;
  /** Rejects as receipts count them, those that a replay took up since among them; null while the generation runs. */
  readonly rejectRows: number | null;
  readonly states: ChunkStates;
  /** Chunks that wait or run, by number. */
  readonly live: ReadonlyMap<number, LedgerChunkView>;
}

/** A job with its newest generation, but not its plan. Throws `NOT_FOUND`. */
export async function outlineOf(jobId: JobId, caller: Caller, api: Api): Promise<JobOutline> {
  await api.jobs.require(jobId, caller);
  const outline = await api.jobs.kept.outline(jobId);
  if (outline === null) throw new ApiProblem('NOT_FOUND', `cannot find job ${jobId}`);
  return outline;
}

/** The command that removed this of a job when its time was over; null: it is there. */
export const retirementOf = ({ commands }: JobOutline, what: Retirable): Command | null => commands.find(({ retires }) => retires === what) ?? null;

/** Throws `GONE` when the job's retention has removed this. */
export function assertKept(outline: JobOutline, what: Retirable): void {
  const gone = retirementOf(outline, what);
  if (gone === null) return;
  const { at, by } = gone;
  const stays = what === 'rejects' ? 'their counts by code, column and file stay' : 'what was submitted, asked of it and what came of it stays';
  throw new ApiProblem('GONE', `the ${what} of job ${outline.job.record.jobId} went when their retention ended at ${at}: ${stays}`, { details: { at, by } });
}

/** Throws `NOT_FOUND`; `GONE` when its plans and verdicts are kept no longer. */
export async function lookAt(jobId: JobId, caller: Caller, api: Api): Promise<LookedAt> {
  const outline = await outlineOf(jobId, caller, api);
  assertKept(outline, 'history');
  const [plan, ledger] = await Promise.all([api.jobs.kept.plan(outline), ledgerOf(outline, api)]);
  const manifest = outline.manifests.find(({ generation }) => generation === outline.generation) ?? null;
  const state = manifest?.state ?? ledger?.state ?? (plan.index.count > 0 ? 'running' : 'accepted');
  const isOver = isTerminalJobState(state);
  const known = ledger === null ? null : await statesInRedis(jobId, isOver, api);
  const bits = known ?? (await api.jobs.kept.outcomes(outline));
  const live = known?.live ?? new Map<number, LedgerChunkView>();
  const stateOf = (chunk: number): ChunkState => {
    if (bitAt(bits.committed, chunk)) return 'committed';
    if (bitAt(bits.dead, chunk)) return 'dead';
    return live.get(chunk)?.state ?? (state === 'cancelled' ? 'cancelled' : 'pending');
  };
  const counted = manifest === null ? (known?.rejected ?? unknownRejects) : { byChunk: await rejectsOfManifest(manifest, api), all: true };
  const rejectsOf = (chunk: number): number | null => counted.byChunk.get(chunk) ?? (counted.all || !bitAt(bits.committed, chunk) ? 0 : null);
  const rejectRows = manifest === null ? null : [...counted.byChunk.values()].reduce((sum, rows) => sum + rows, 0);
  return { record: outline.job.record, outline, plan, ledger, state, manifest, states: { stateOf, rejectsOf }, rejectRows, live };
}

/** A ledger that is being rebuilt, or that has not heard of the newest generation yet, is not asked. */
export async function ledgerOf({ job, generation }: JobOutline, api: Api): Promise<LedgerJobView | null> {
  const ledger = await api.jobs.ledgerJob(job.record.jobId);
  return ledger === null || ledger.rebuilding || ledger.generation !== generation ? null : ledger;
}

interface KnownStates extends OutcomeBits {
  readonly live: ReadonlyMap<number, LedgerChunkView>;
  readonly rejected: { readonly byChunk: ReadonlyMap<number, number>; readonly all: boolean };
}

function statesInRedis(jobId: JobId, isOver: boolean, api: Api): Promise<KnownStates | null> {
  return api.jobs.fromRedis(async ({ ledger }) => {
    // First the chunks that run: one that commits in between is then seen as committed.
    const [views, rejected] = isOver ? [[], unknownRejects] : await Promise.all([ledger.liveChunks(jobId), ledger.rejectedChunks(jobId)]);
    const live = new Map(views.filter(({ stage }) => stage !== 'plan' && stage !== 'finish').map((view) => [view.chunk, view]));
    return { ...(await ledger.outcomeBits(jobId)), live, rejected };
  });
}

const unknownRejects = { byChunk: new Map<number, number>(), all: false };

const byManifest = new WeakMap<Manifest, ReadonlyMap<number, number>>();

/** Rejects by chunk, as receipts count them: those that a replay took up since are among them. */
async function rejectsOfManifest(manifest: Manifest, api: Api): Promise<ReadonlyMap<number, number>> {
  const known = byManifest.get(manifest);
  if (known) return known;
  const found = new Map<number, number>();
  for await (const { chunk, rows } of api.journal.listManifest(manifest, 'rejects')) {
    const number = chunkNumber(chunk);
    found.set(number, (found.get(number) ?? 0) + rows);
  }
  byManifest.set(manifest, found);
  return found;
}

/** Of `<stage>.<chunk>`. */
export const chunkNumber = (short: string): number => Number(short.slice(short.lastIndexOf('.') + 1));

export function replaysOf({ plan, states }: Pick<LookedAt, 'plan' | 'states'>, api: Api): Promise<Map<string, ReplayedReject>> {
  return readReplays(api.jobs.kept, plan.index, (chunk) => states.stateOf(chunk) === 'committed');
}

/** The place of a chunk that a path names. Throws `NOT_FOUND`. */
export function placeOf({ plan, record }: Pick<LookedAt, 'plan' | 'record'>, stage: string, index: number) {
  const place = plan.index.at(index);
  if (place === null || place.stage !== stage) throw new ApiProblem('NOT_FOUND', `cannot find chunk ${stage}.${index} of job ${record.jobId}`);
  return place;
}
