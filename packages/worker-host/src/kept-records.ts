/** Records that never change, kept so that a thousand chunks of one segment do not read and check it a thousand times. */
import type { Journal, Stored } from '@millrace/journal';
import { specOfGeneration } from '@millrace/journal';
import type { Chunk, JobId, JobRecord, ResolvedJobSpec, Segment } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

const keptJobs = 32;
/** A segment has up to 1,000 chunks; a host with many slots works on few segments at once. */
const keptSegments = 8;

export interface KeptJob {
  readonly job: JobRecord;
  /** The spec of this generation: a redrive may have overridden parts. */
  readonly spec: ResolvedJobSpec;
}

export interface KeptSegment {
  readonly record: Segment;
  readonly chunks: ReadonlyMap<number, Chunk>;
}

export class KeptRecords {
  readonly #journal: Journal;
  readonly #jobs = new Map<string, Promise<KeptJob>>();
  readonly #segments = new Map<string, Promise<KeptSegment>>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Throws `JOURNAL_UNSAFE` when the job has no record. */
  job(jobId: JobId, generation: number): Promise<KeptJob> {
    return kept(this.#jobs, `${jobId}.${generation}`, keptJobs, async () => {
      const [stored, commands] = await Promise.all([this.#journal.readJobRecord(jobId), generation === 1 ? [] : this.#journal.readCommands(jobId)]);
      if (stored === null) throw new AppError('JOURNAL_UNSAFE', `cannot read job ${jobId}: it has no job.json`);
      return { job: stored.record, spec: specOfGeneration({ job: stored, commands }, generation).spec };
    });
  }

  segment(key: string, digest: string): Promise<KeptSegment> {
    return kept(this.#segments, `${key} ${digest}`, keptSegments, async () => {
      const { record }: Stored<'segment'> = await this.#journal.readSegment(key, digest);
      return { record, chunks: new Map(record.chunks.map((chunk) => [chunk.chunk, chunk])) };
    });
  }
}

/** What was read once; a fault is not kept. The oldest goes first. */
function kept<Value>(known: Map<string, Promise<Value>>, key: string, limit: number, read: () => Promise<Value>): Promise<Value> {
  const found = known.get(key);
  if (found !== undefined) return found;
  const reading = read();
  known.set(key, reading);
  reading.catch(() => known.delete(key));
  const oldest = known.keys().next();
  if (known.size > limit && !oldest.done) known.delete(oldest.value);
  return reading;
}
