/** Records of jobs that never change, kept so that a tick does not read them again: job.json with the spec of each generation, segments, seals. */
import { type Journal, type Stored, specOfGeneration } from '@millrace/journal';
import { chunkBytes, type InputFile, type JobId, type JobRecord, type ResolvedJobSpec, type Sealed, type Segment } from '@millrace/protocol';
import type { ObjectVersion } from './stream-batch.ts';

const keptJobs = 2_000;
/** A segment as records takes a megabyte, the sizes of its chunks a few thousand bytes. */
const keptSegments = 4;
const keptSizes = 2_000;
const keptObjects = 10_000;

export interface JobSpecFacts {
  readonly job: JobRecord;
  readonly spec: ResolvedJobSpec;
  readonly specDigest: string;
}

export class JobFacts {
  readonly #journal: Journal;
  readonly #specs: Kept<JobSpecFacts> = new Map();
  readonly #sealed: Kept<Sealed> = new Map();
  readonly #inferred: Kept<readonly string[]> = new Map();
  readonly #said = new Set<string>();
  readonly #segments: Kept<Stored<'segment'>> = new Map();
  readonly #sizes: Kept<ChunkSizes> = new Map();
  readonly #pins: Kept<string> = new Map();
  readonly #objects: Kept<ObjectVersion> = new Map();
  readonly #files: Kept<ReadonlyMap<number, InputFile>> = new Map();

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
    const sizes = await remembered(this.#sizes, `${key} ${digest}`, keptSizes, async () => sizesOf((await this.#journal.readSegment(key, digest)).record));
    const bytes = sizes?.bytes[sizes.placeOf(index)];
    if (bytes === undefined) throw new Error(`cannot find chunk ${index} in ${key}`);
    return bytes;
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

/** What a chunk's turn is weighed by, and nothing else of its segment. */
interface ChunkSizes {
  readonly bytes: Float64Array;
  /** Where in `bytes` a chunk stands; -1 when it is not listed. */
  placeOf(chunk: number): number;
}

function sizesOf({ chunks, firstChunk }: Segment): ChunkSizes {
  const bytes = Float64Array.from(chunks, chunkBytes);
  // Chunks of a first plan stand in order; in a later one any may be missing.
  if (chunks.every(({ chunk }, place) => chunk === firstChunk + place)) return { bytes, placeOf: (chunk) => chunk - firstChunk };
  const places = new Map(chunks.map(({ chunk }, place) => [chunk, place]));
  return { bytes, placeOf: (chunk) => places.get(chunk) ?? -1 };
}

/** By name, what was read or is being read: those who ask meanwhile wait for the same answer. */
type Kept<Value> = Map<string, Promise<Value | null>>;

/** What was read once; null is not kept, for it may come, nor is a fault. The oldest goes first. */
function remembered<Value>(kept: Kept<Value>, key: string, limit: number, read: () => Promise<Value | null>): Promise<Value | null> {
  const known = kept.get(key);
  if (known !== undefined) return known;
  const reading = read();
  kept.set(key, reading);
  const forget = (): void => {
    if (kept.get(key) === reading) kept.delete(key);
  };
  reading.then((value) => value === null && forget(), forget);
  const oldest = kept.keys().next();
  if (kept.size > limit && !oldest.done) kept.delete(oldest.value);
  return reading;
}
