/** Pure: how many chunk tasks may wait or run at once. Redis is bounded by this and not by the size of jobs. */

const leastWindow = 4;
const mostWindow = 1_000;
/** What waits should keep the slots busy for so long, whatever happens between two rounds. */
const worthSeconds = 5;

/** `chunksPerSecond`: how fast they have ended lately. Tiny chunks need more of them at hand than slots. */
export function windowSize(slots: number, chunksPerSecond: number): number {
  return Math.max(leastWindow, 2 * slots, Math.min(mostWindow, Math.ceil(worthSeconds * chunksPerSecond)));
}

/** Chunks that end in a second, as a mean in which the last two seconds weigh most. */
export class Pace {
  #ended = new Map<string, number>();
  #atMs: number | null = null;
  #perSecond = 0;

  get perSecond(): number {
    return this.#perSecond;
  }

  note(jobs: readonly { readonly jobId: string; readonly chunks: { readonly committed: number; readonly dead: number } }[], nowMs: number): void {
    const now = new Map(jobs.map(({ jobId, chunks }) => [jobId, chunks.committed + chunks.dead]));
    const more = [...now].reduce((sum, [jobId, ended]) => sum + Math.max(0, ended - (this.#ended.get(jobId) ?? ended)), 0);
    const elapsedMs = this.#atMs === null ? 0 : nowMs - this.#atMs;
    if (this.#atMs !== null && elapsedMs < 50) return;
    if (elapsedMs > 0) {
      const weight = 1 - Math.exp(-elapsedMs / 1_000);
      this.#perSecond += weight * (more / (elapsedMs / 1_000) - this.#perSecond);
    }
    this.#ended = now;
    this.#atMs = nowMs;
  }
}
