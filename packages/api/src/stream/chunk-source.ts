/** Chunks of jobs that somebody watches: their bits and open attempts, compared with the look before. Many at once are told as ranges. */
import { type ChunkId, chunkId, type JobId } from '@millrace/protocol';
import type { LedgerJobView, SegmentRef } from '@millrace/queues';
import type { Api } from '../api.ts';
import type { Change } from './hub.ts';
import type { Source } from './sources.ts';

/** Told one by one in a second; more are told as ranges. */
const mostSingle = 20;
/** Open attempts are looked at while there are no more than these. */
const mostLive = 200;
/** Jobs watched at once; beyond them only counts are told. */
const mostJobs = 100;

interface ChunkChange {
  readonly stage: string;
  readonly index: number;
  readonly state: string;
  readonly attempt: string | null;
  readonly code: string | null;
}

interface Known {
  readonly revision: number;
  readonly generation: number;
  readonly committed: Uint8Array;
  readonly dead: Uint8Array;
  /** State and attempt of chunks that have a key. */
  readonly live: ReadonlyMap<ChunkId, string>;
}

export class ChunkSource implements Source {
  readonly name = 'chunks';
  readonly #api: Api;
  readonly #known = new Map<JobId, Known>();

  constructor(api: Api) {
    this.#api = api;
  }

  async look(topics: ReadonlySet<string>, tick: number): Promise<readonly Change[]> {
    const wanted = [...topics].flatMap((topic) => (topic.startsWith('job:') ? [topic.slice(4) as JobId] : [])).slice(0, mostJobs);
    for (const jobId of this.#known.keys()) if (!wanted.includes(jobId)) this.#known.delete(jobId);
    // The other ticks are for the counts of these jobs.
    if (tick % 2 === 0) return [];
    const changes: Change[] = [];
    for (const jobId of wanted) changes.push(...(await this.#lookAt(jobId)));
    return changes;
  }

  forget(): void {
    this.#known.clear();
  }

  async #lookAt(jobId: JobId): Promise<readonly Change[]> {
    const { ledger } = this.#api.redis.queues();
    const job = await ledger.job(jobId);
    const before = this.#known.get(jobId);
    if (job === null || (before?.revision === job.revision && before.generation === job.generation)) return [];
    const [bits, ids] = await Promise.all([ledger.outcomeBits(jobId), ledger.liveChunkIds(jobId)]);
    const live = ids.length > mostLive ? [] : await ledger.chunks(ids);
    const now: Known = {
      revision: job.revision,
      generation: job.generation,
      ...bits,
      live: new Map(live.map((view) => [view.chunkId, `${view.state} ${view.attempt?.attemptId ?? ''}`])),
    };
    this.#known.set(jobId, now);
    // Of a later generation bits are cleared that stand for dead chunks before it: the page reads that anew with the job's own event.
    if (before === undefined || before.generation !== now.generation) return [];
    const stageOf = stages(await ledger.segments(jobId), job);
    const found: ChunkChange[] = [];
    for (const index of newBits(before.committed, now.committed)) found.push({ stage: stageOf(index), index, state: 'committed', attempt: null, code: null });
    for (const index of newBits(before.dead, now.dead)) found.push({ stage: stageOf(index), index, state: 'dead', attempt: null, code: null });
    for (const view of live) {
      const isChunk = view.stage !== 'plan' && view.stage !== 'finish';
      if (!isChunk || before.live.get(view.chunkId) === now.live.get(view.chunkId)) continue;
      const { stage, chunk, state, attempt, last } = view;
      found.push({ stage, index: chunk, state, attempt: attempt?.attemptId ?? null, code: state === 'retrying' ? (last?.code ?? null) : null });
    }
    return found.length === 0 ? [] : [changeOf(job, found)];
  }
}

function changeOf({ jobId, tenant }: LedgerJobView, found: readonly ChunkChange[]): Change {
  const isFew = found.length <= mostSingle;
  const items = isFew ? found.map(({ stage, index, state, attempt, code }) => ({ chunk: chunkId(jobId, stage, index), state, attempt, code })) : [];
  const ranges = isFew ? [] : rangesOf(found);
  return { topic: `job:${jobId}`, event: 'chunk', dataFor: (reaches) => (reaches(tenant) ? { jobId, items, ranges } : null) };
}

/** Chunks of one stage and state that follow one another. */
export function rangesOf(found: readonly Pick<ChunkChange, 'stage' | 'index' | 'state'>[]): { stage: string; first: number; last: number; state: string }[] {
  const ordered = [...found].sort((a, b) =>
    a.stage === b.stage ? (a.state === b.state ? a.index - b.index : a.state < b.state ? -1 : 1) : a.stage < b.stage ? -1 : 1,
  );
  const ranges: { stage: string; first: number; last: number; state: string }[] = [];
  for (const { stage, index, state } of ordered) {
    const open = ranges.at(-1);
    if (open !== undefined && open.stage === stage && open.state === state && index <= open.last + 1) open.last = index;
    else ranges.push({ stage, first: index, last: index, state });
  }
  return ranges;
}

/** Indexes of bits that are set now and were not before. */
export function* newBits(before: Uint8Array, now: Uint8Array): Generator<number> {
  for (let at = 0; at < now.length; at++) {
    const fresh = (now[at] ?? 0) & ~(before[at] ?? 0);
    for (let bit = 0; fresh !== 0 && bit < 8; bit++) if ((fresh & (0x80 >> bit)) !== 0) yield at * 8 + bit;
  }
}

/** Chunks are numbered through all stages; a generation knows those it lists. */
function stages(segments: readonly SegmentRef[], job: LedgerJobView): (index: number) => string {
  const ranges = segments
    .flatMap(({ stage, ranges: own }) => own.map(([first, count]) => ({ stage, first, end: first + count })))
    .sort((a, b) => a.first - b.first);
  return (index) => {
    let [low, high] = [0, ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ranges[middle]?.end ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    const found = ranges[low];
    return found !== undefined && found.first <= index ? found.stage : (job.stages[0]?.name ?? 'read');
  };
}
