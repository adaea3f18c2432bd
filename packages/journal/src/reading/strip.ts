/** A strip: a file, or the chunks of a stage, cut into a few cells of whole chunks, each in the worst state of its chunks. Pure. */
import { type ChunkState, chunkStates } from '@millrace/protocol';

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
export function chunksOfFile(index: PlanIndex, file: number, stage: string | null, stages: readonly string[]): { stage: string | null; chunks: number[] } {
  const byStage = new Map<string, number[]>();
  for (let chunk = 0; chunk < index.size; chunk += 1) {
    if (!index.reads(chunk, file)) continue;
    const of = index.segments[index.segmentOf(chunk)]?.stage ?? '';
    const known = byStage.get(of);
    if (known) known.push(chunk);
    else byStage.set(of, [chunk]);
  }
  const newest = stage ?? stages.findLast((name) => byStage.has(name)) ?? null;
  const chunks = newest === null ? [] : (byStage.get(newest) ?? []);
  return { stage: newest, chunks: chunks.sort((a, b) => index.startOf(a) - index.startOf(b)) };
}

/** Chunks of a stage by number; replays stand behind the others. */
export function chunksOfStage(index: PlanIndex, stage: string): number[] {
  const own = new Set(index.segments.flatMap((segment, number) => (segment.stage === stage ? [number] : [])));
  const chunks: number[] = [];
  for (let chunk = 0; chunk < index.size; chunk += 1) if (own.has(index.segmentOf(chunk))) chunks.push(chunk);
  return chunks;
}

/** Of a file: by offset. `wholeFile`: length of a file that lies in a group, whole in one chunk. */
export function fileStrip(index: PlanIndex, chunks: readonly number[], cells: number, states: ChunkStates, wholeFile: number): CutStrip {
  const isWhole = chunks.length === 1 && index.isGroup(chunks[0] ?? 0);
  const startOf = (chunk: number): number => (isWhole ? 0 : index.startOf(chunk));
  const endOf = (chunk: number): number => (isWhole ? wholeFile : index.endOf(chunk));
  return cut(chunks, cells, states, { startOf: (at) => startOf(chunks[at] ?? 0), endOf: (at) => endOf(chunks[at] ?? 0) });
}

/** Of a stage: each chunk is as long as any other. */
export function stageStrip(chunks: readonly number[], cells: number, states: ChunkStates): CutStrip {
  return cut(chunks, cells, states, { startOf: (at) => at, endOf: (at) => at + 1 });
}

interface Extents {
  startOf(at: number): number;
  endOf(at: number): number;
}

function cut(chunks: readonly number[], most: number, states: ChunkStates, { startOf, endOf }: Extents): CutStrip {
  const length = chunks.length === 0 ? 0 : endOf(chunks.length - 1);
  const counts = Object.fromEntries([...chunkStates, 'total'].map((name) => [name, 0])) as Record<ChunkState | 'total', number>;
  const cells: Cell[] = [];
  // A chunk lies where it begins: so that no more than `most` come out, and none is in two.
  const slotOf = (at: number): number => (chunks.length <= most ? at : Math.floor((startOf(at) / length) * most));
  let open: { slot: number; cell: Cell } | null = null;
  for (const [at, chunk] of chunks.entries()) {
    const state = states.stateOf(chunk);
    const rejects = states.rejectsOf(chunk);
    counts[state] += 1;
    counts.total += 1;
    const slot = slotOf(at);
    if (open !== null && open.slot !== slot) {
      cells.push(open.cell);
      open = null;
    }
    const cell: Cell = { start: startOf(at), end: endOf(at), state, chunks: 1, first: chunk, last: chunk, rejects };
    open = { slot, cell: open === null ? cell : joined(open.cell, cell) };
  }
  if (open !== null) cells.push(open.cell);
  return { cells, length, counts };
}

function joined(a: Cell, b: Cell): Cell {
  return {
    start: a.start,
    end: Math.max(a.end, b.end),
    state: rank[a.state] <= rank[b.state] ? a.state : b.state,
    chunks: a.chunks + b.chunks,
    first: Math.min(a.first, b.first),
    last: Math.max(a.last, b.last),
    rejects: a.rejects === null || b.rejects === null ? null : a.rejects + b.rejects,
  };
}
