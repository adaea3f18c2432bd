/** Records of jobs that never change, kept so that a tick does not read them again: job.json with the spec of each generation, segments, seals. */
import { type Journal, type Stored, specOfGeneration } from '@millrace/journal';
import { chunkBytes, type InputFile, type JobId, type JobRecord, type ResolvedJobSpec, type Sealed, type Segment } from '@millrace/protocol';
import type { ObjectVersion } from './stream-batch.ts';

const keptJobs = 2_000;
const keptSegments = 50;
const keptObjects = 10_000;

export interface JobSpecFacts {
  readonly job: JobRecord;
  readonly spec: ResolvedJobSpec;
  readonly specDigest: string;
}

export class JobFacts {
  readonly #journal: Journal;
  readonly #specs = new Map<string, JobSpecFacts>();
  readonly #sealed = new Map<string, Sealed>();
  readonly #inferred = new Map<string, readonly string[]>();
  readonly #said = new Set<string>();
  readonly #segments = new Map<string, Stored<'segment'>>();
  readonly #pins = new Map<string, string>();
  readonly #objects = new Map<string, ObjectVersion>();
  readonly #files = new Map<string, ReadonlyMap<number, InputFile>>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Null when there is no such job in the journal. */
  async spec(jobId: JobId, generation: number): Promise<JobSpecFacts | null> {
    return remembered(this.#specs, `${jobId}.${generation}`, keptJobs, async () => {
      const job = await this.#journal.readJobRecord(jobId);
      if (job === null) return null;
      const commands = generation === 1 ? [] : await this.#journal.readCommands(jobId);
      return { job: job.record, ...specOfGeneration({ job, commands }, generation) };
    });
  }

  /** Null while the plan of this generation is not sealed. */
  async sealed(jobId: JobId, generation: number): Promise<Sealed | null> {
    return remembered(this.#sealed, `${jobId}.${generation}`, keptJobs, async () => (await this.#journal.readSealed(jobId, generation))?.record ?? null);
  }

  /** Columns whose type was inferred; none before the pins stand. */
  async inferredColumns(jobId: JobId): Promise<readonly string[]> {
    const found = await remembered(this.#inferred, jobId, keptJobs, async () => {
      const pins = await this.#journal.readPins(jobId);
      return pins === null ? null : pins.record.inputs.flatMap((input) => input.inferred);
    });
    return found ?? [];
  }

  /** Digest of the pins; `put` makes them when there are none yet. */
  async pinsDigest(jobId: JobId, put: () => Promise<Stored<'pins'>>): Promise<string> {
    const found = await remembered(this.#pins, jobId, keptJobs, async () => ((await this.#journal.readPins(jobId)) ?? (await put())).digest);
    return found ?? '';
  }

  /** An object that a stream names, as it was seen first: ranges of it that come one after another belong to one version. */
  async object(jobId: JobId, uri: string, look: () => Promise<ObjectVersion>): Promise<ObjectVersion> {
    return (await remembered(this.#objects, `${jobId} ${uri}`, keptObjects, look)) as ObjectVersion;
  }

  /** The job's input files by number. */
  async files(jobId: JobId): Promise<ReadonlyMap<number, InputFile>> {
    const found = await remembered(this.#files, jobId, keptJobs, async () => {
      const files = new Map<number, InputFile>();
      for await (const file of this.#journal.listInputFiles(jobId)) files.set(file.file, file);
      return files;
    });
    return found ?? new Map();
  }

  async segment(key: string, digest: string): Promise<Segment> {
    const found = await remembered(this.#segments, `${key} ${digest}`, keptSegments, () => this.#journal.readSegment(key, digest));
    if (found === null) throw new Error(`cannot read ${key}`);
    return found.record;
  }

  /** Stored bytes of a chunk of a segment; throws when the segment does not list it. */
  async bytesOfChunk(key: string, digest: string, index: number): Promise<number> {
    const { chunks, firstChunk } = await this.segment(key, digest);
    // Chunks of a first plan stand in order; in a later one any may be missing.
    const placed = chunks[index - firstChunk];
    const chunk = placed?.chunk === index ? placed : chunks.find((one) => one.chunk === index);
    if (chunk === undefined) throw new Error(`cannot find chunk ${index} in ${key}`);
    return chunkBytes(chunk);
  }

  /** True once for each word about a generation of a job, as far as this process remembers. */
  isNew(jobId: JobId, generation: number, word: string): boolean {
    const key = `${jobId}.${generation}.${word}`;
    if (this.#said.has(key)) return false;
    this.#said.add(key);
    const oldest = this.#said.values().next();
    if (this.#said.size > keptJobs && !oldest.done) this.#said.delete(oldest.value);
    return true;
  }

  forget(jobId: JobId): void {
    for (const kept of [this.#specs, this.#sealed, this.#inferred, this.#files, this.#pins, this.#objects] as const) {
      for (const key of kept.keys()) if (key.startsWith(jobId)) kept.delete(key);
    }
  }
}

/** What was read once; null is not kept, for it may come. The oldest goes first. */
async function remembered<Value>(kept: Map<string, Value>, key: string, limit: number, read: () => Promise<Value | null>): Promise<Value | null> {
  const known = kept.get(key);
  if (known !== undefined) return known;
  const value = await read();
  if (value === null) return null;
  kept.set(key, value);
  const oldest = kept.keys().next();
  if (kept.size > limit && !oldest.done) kept.delete(oldest.value);
  return value;
}
