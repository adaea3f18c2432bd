/** States of a chunk, and the moves between them within one generation. */

export const chunkStates = ['pending', 'queued', 'running', 'retrying', 'committed', 'dead', 'cancelled'] as const;
export type ChunkState = (typeof chunkStates)[number];

/**
 * A chunk goes back to `pending` when its attempt was released or refused without an end. `committed` is reached from everywhere but itself:
 * a receipt outranks whatever the ledger believed. Nothing leads out of `committed`; a dead chunk leaves by the next generation.
 */
export const chunkMoves: { readonly [From in ChunkState]: readonly ChunkState[] } = {
  pending: ['queued', 'committed', 'dead', 'cancelled'],
  queued: ['running', 'pending', 'queued', 'committed', 'dead', 'cancelled'],
  running: ['committed', 'retrying', 'pending', 'dead', 'cancelled'],
  retrying: ['queued', 'pending', 'committed', 'dead', 'cancelled'],
  committed: [],
  dead: ['committed'],
  cancelled: ['committed'],
};

/** Has an outcome: nothing runs any more in this generation. */
export function isChunkDone(state: ChunkState): boolean {
  return state === 'committed' || state === 'dead' || state === 'cancelled';
}

export function canMoveChunk(from: ChunkState, to: ChunkState): boolean {
  return chunkMoves[from].includes(to);
}

/** How a chunk runs: as planned; alone and in smaller batches; in halves until the record that kills the core is alone. */
export const chunkModes = ['normal', 'less', 'bisect'] as const;
export type ChunkMode = (typeof chunkModes)[number];
