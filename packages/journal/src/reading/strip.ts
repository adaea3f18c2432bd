/** A strip: a file, or the chunks of a stage, cut into a few cells of whole chunks, each in the worst state of its chunks. Pure. */
import { type ChunkState, chunkStates } from '@millrace/protocol';

import { inTurns } from './in-turns.ts';
import type { PlanIndex } from './plan-index.ts';

/** What is known of chunks by their number, whoever knows it. */
export interface ChunkStates {
  stateOf(chunk: number): ChunkState;
  /** Null: not known. */
  rejectsOf(chunk: number): number | null;
}

export interface Cell {
  readonly start: number;
  readonly end: number;
  readonly state: ChunkState;
  readonly chunks: number;
  readonly first: number;
  readonly last: number;
  /** Null: not known of at least one chunk that may have some. */
  readonly rejects: number | null;
}

export interface CutStrip {
  readonly cells: readonly Cell[];
  /** In the unit of the cells. */
  readonly length: number;
  readonly counts: Readonly<Record<ChunkState | 'total', number>>;
}

/** From what a person must see first to what is well. */
const worstFirst = ['dead', 'retrying', 'cancelled', 'running', 'queued', 'pending', 'committed'] as const satisfies readonly ChunkState[];
const rank = Object.fromEntries(worstFirst.map((state, at) => [state, at])) as Record<ChunkState, number>;

/** Chunks of a file in the order of the file, of its newest stage unless one is named. A group of files counts for each of them. */
export async function chunksOfFile(
  index: PlanIndex,
  file: number,
  stage: string | null,
  stages: readonly string[],
): Promise<{ stage: string | null; chunks: number[] }> {
  const byStage = new Map<string, number[]>();
  let [segment, own] = [-1, [] as number[]];
  await inTurns(index.size, (chunk) => {
    if (!index.reads(chunk, file)) return;
    if (index.segmentOf(chunk) !== segment) {
      segment = index.segmentOf(chunk);
      const of = index.segments[segment]?.stage ?? '';
      own = byStage.get(of) ?? [];
      byStage.set(of, own);
    }
    own.push(chunk);
  });
  const newest = stage ?? stages.findLast((name) => byStage.has(name)) ?? null;
  const chunks = newest === null ? [] : (byStage.get(newest) ?? []);
  // Planning goes through a file from its beginning, so that there is seldom anything to sort.
  let isInOrder = true;
  await inTurns(chunks.length, (at) => {
    isInOrder &&= at === 0 || index.startOf(chunks[at - 1] ?? 0) <= index.startOf(chunks[at] ?? 0);
  });
  return { stage: newest, chunks: isInOrder ? chunks : chunks.sort((a, b) => index.startOf(a) - index.startOf(b)) };
}

/** Chunks of a stage by number; replays stand behind the others. */
export async function chunksOfStage(index: PlanIndex, stage: string): Promise<number[]> {
  const own = new Set(index.segments.flatMap((segment, number) => (segment.stage === stage ? [number] : [])));
  const chunks: number[] = [];
  await inTurns(index.size, (chunk) => {
    if (own.has(index.segmentOf(chunk))) chunks.push(chunk);
  });
  return chunks;
}

/** Of a file: by offset. `wholeFile`: length of a file that lies in a group, whole in one chunk. */
export function fileStrip(index: PlanIndex, chunks: readonly number[], cells: number, states: ChunkStates, wholeFile: number): Promise<CutStrip> {
  const isWhole = chunks.length === 1 && index.isGroup(chunks[0] ?? 0);
  const startOf = (chunk: number): number => (isWhole ? 0 : index.startOf(chunk));
  const endOf = (chunk: number): number => (isWhole ? wholeFile : index.endOf(chunk));
  return cut(chunks, cells, states, { startOf: (at) => startOf(chunks[at] ?? 0), endOf: (at) => endOf(chunks[at] ?? 0) });
}

/** Of a stage: each chunk is as long as any other. */
export function stageStrip(chunks: readonly number[], cells: number, states: ChunkStates): Promise<CutStrip> {
  return cut(chunks, cells, states, { startOf: (at) => at, endOf: (at) => at + 1 });
}

interface Extents {
  startOf(at: number): number;
  endOf(at: number): number;
}

/** Very many chunks become few cells: one cell is filled in place, and nothing is made for a chunk. */
async function cut(chunks: readonly number[], most: number, states: ChunkStates, { startOf, endOf }: Extents): Promise<CutStrip> {
  const length = chunks.length === 0 ? 0 : endOf(chunks.length - 1);
  const counts = Object.fromEntries([...chunkStates, 'total'].map((name) => [name, 0])) as Record<ChunkState | 'total', number>;
  const cells: OpenCell[] = [];
  // A chunk lies where it begins: so that no more than `most` come out, and none is in two.
  const slotOf = (at: number): number => (chunks.length <= most ? at : Math.floor((startOf(at) / length) * most));
  let slot = -1;
  let cell: OpenCell | null = null;
  await inTurns(chunks.length, (at) => {
    const chunk = chunks[at] ?? 0;
    const state = states.stateOf(chunk);
    const rejects = states.rejectsOf(chunk);
    counts[state] += 1;
    if (cell === null || slotOf(at) !== slot) {
      slot = slotOf(at);
      cell = { start: startOf(at), end: endOf(at), state, chunks: 1, first: chunk, last: chunk, rejects };
      cells.push(cell);
      return;
    }
    cell.chunks += 1;
    cell.end = Math.max(cell.end, endOf(at));
    cell.first = Math.min(cell.first, chunk);
    cell.last = Math.max(cell.last, chunk);
    if (rank[state] < rank[cell.state]) cell.state = state;
    cell.rejects = cell.rejects === null || rejects === null ? null : cell.rejects + rejects;
  });
  counts.total = chunks.length;
  return { cells, length, counts };
}

type OpenCell = { -readonly [Name in keyof Cell]: Cell[Name] };
