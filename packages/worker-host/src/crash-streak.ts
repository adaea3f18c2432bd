/**
 * Tells a host whose cores die from chunks that kill their cores: one chunk that dies again and again is poison, different ones in a row with nothing
 * committed in between are the host's own fault (memory, disk, a broken binary).
 */
import type { ChunkId } from '@millrace/protocol';

/** So many different chunks in a row. */
export const suspectAfter = 3;

/** Remembered, so that a host knows what it had better leave to others. */
const mostRemembered = 1_000;

export class CrashStreak {
  readonly #killers = new Set<ChunkId>();
  readonly #chunks = new Set<ChunkId>();
  readonly #suspect: (chunks: readonly ChunkId[]) => Promise<void>;

  /** `suspect` is called each time the streak is complete; then it begins anew. */
  constructor(suspect: (chunks: readonly ChunkId[]) => Promise<void>) {
    this.#suspect = suspect;
  }

  async crashed(chunkId: ChunkId): Promise<void> {
    this.#remember(chunkId);
    this.#chunks.add(chunkId);
    if (this.#chunks.size < suspectAfter) return;
    const chunks = [...this.#chunks];
    this.#chunks.clear();
    await this.#suspect(chunks);
  }

  /** Whether a core of this host has died of this chunk, as far as that is remembered. */
  hasCrashedOn(chunkId: ChunkId): boolean {
    return this.#killers.has(chunkId);
  }

  #remember(chunkId: ChunkId): void {
    this.#killers.delete(chunkId);
    this.#killers.add(chunkId);
    const oldest = this.#killers.values().next();
    if (this.#killers.size > mostRemembered && !oldest.done) this.#killers.delete(oldest.value);
  }

  committed(): void {
    this.#chunks.clear();
  }
}
