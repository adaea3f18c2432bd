/**
 * How fast chunks are worked off, as the leader sees it: slot-seconds that went into a job, by its running chunks round after round, and the chunks that came
 * of them. Measured for each job, and for jobs of the same name, which is what a job that has not committed yet is judged by. Pure but for what it remembers.
 */
import type { LedgerJobView } from '@millrace/queues';

/** Slot-seconds after which what was measured weighs half. */
const halfLifeSeconds = 300;
/** Beside its bytes a chunk takes this long, until more is known. */
export const overheadSeconds = 0.2;
/** Of a pipeline that nobody has seen yet. */
export const assumedBytesPerSecond = 20_000_000;
const keptNames = 1_000;

interface Measured {
  readonly slotSeconds: number;
  readonly chunks: number;
  readonly bytes: number;
}

interface Seen {
  readonly atMs: number;
  readonly generation: number;
  readonly ended: number;
}

export type PacedJob = Pick<LedgerJobView, 'jobId' | 'name' | 'generation' | 'chunks' | 'bytesPlanned'>;

export class JobPace {
  readonly #ofJobs = new Map<string, Measured>();
  readonly #ofNames = new Map<string, Measured>();
  #seen = new Map<string, Seen>();

  note(jobs: readonly PacedJob[], nowMs: number): void {
    const seen = new Map<string, Seen>();
    for (const job of jobs) {
      const before = this.#seen.get(job.jobId);
      const ended = job.chunks.committed;
      seen.set(job.jobId, { atMs: nowMs, generation: job.generation, ended });
      if (before === undefined || before.generation !== job.generation || nowMs <= before.atMs) continue;
      const chunks = Math.max(0, ended - before.ended);
      const more = { slotSeconds: (job.chunks.running * (nowMs - before.atMs)) / 1_000, chunks, bytes: chunks * chunkBytesOf(job) };
      if (more.slotSeconds === 0 && chunks === 0) continue;
      this.#ofJobs.set(job.jobId, plus(this.#ofJobs.get(job.jobId), more));
      this.#ofNames.set(job.name, plus(this.#ofNames.get(job.name), more));
    }
    for (const jobId of this.#ofJobs.keys()) if (!seen.has(jobId)) this.#ofJobs.delete(jobId);
    const oldest = this.#ofNames.keys().next();
    if (this.#ofNames.size > keptNames && !oldest.done) this.#ofNames.delete(oldest.value);
    this.#seen = seen;
  }

  /** Bytes of stored input a slot works off in a second, overhead left out. */
  bytesPerSecond(job: PacedJob): number {
    return speedOf(this.#ofJobs.get(job.jobId), job.chunks.running) ?? speedOf(this.#ofNames.get(job.name), 0) ?? assumedBytesPerSecond;
  }

  /** What a chunk of middling size holds its slot for. */
  secondsPerChunk(job: PacedJob): number {
    return overheadSeconds + chunkBytesOf(job) / this.bytesPerSecond(job);
  }
}

export const chunkBytesOf = ({ chunks, bytesPlanned }: Pick<LedgerJobView, 'chunks' | 'bytesPlanned'>): number =>
  chunks.total === 0 ? 0 : bytesPlanned / chunks.total;

/** Chunks in hand have had half of their seconds, on average. Null: nothing came of it yet. */
function speedOf(measured: Measured | undefined, running: number): number | null {
  if (measured === undefined || measured.chunks < 1 || measured.bytes === 0) return null;
  const share = measured.chunks / (measured.chunks + running / 2);
  const working = measured.slotSeconds * share - measured.chunks * overheadSeconds;
  // Chunks that are through within their overhead are as fast as can be measured.
  return measured.bytes / Math.max(working, measured.chunks * 0.001);
}

function plus(before: Measured | undefined, more: Measured): Measured {
  if (before === undefined) return more;
  const weight = 0.5 ** (more.slotSeconds / halfLifeSeconds);
  return {
    slotSeconds: before.slotSeconds * weight + more.slotSeconds,
    chunks: before.chunks * weight + more.chunks,
    bytes: before.bytes * weight + more.bytes,
  };
}
