/**
 * What lists and pages ask of jobs again and again, from the journal alone, with what never changes kept: job records, pins, manifests, plans as indexes, and
 * the outcomes of generations that ended. Bounded: the job that was not asked for longest goes first.
 */
import type { JobId, JobRecord, Manifest } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { readCommands } from '../commands.ts';
import { readJobRecord } from '../jobs.ts';
import { listManifests, readManifest } from '../manifests.ts';
import { readPins } from '../pins.ts';
import { readSegment } from '../plan-segments.ts';
import type { Stored } from '../put-if-absent.ts';
import { type JobView, newestGeneration } from '../read-job.ts';
import type { Store } from '../store.ts';
import { type OutcomeBits, readOutcomeBits } from './outcomes.ts';
import type { ChunkPlace, PlanIndex } from './plan-index.ts';
import { PlanReader } from './plan-reader.ts';

const keptJobs = 2_000;
const keptSegments = 64;
/** Manifests together, by what they weigh: one of a job with very many parts is some mebibytes. */
const keptManifests = 256;
/** Chunks of all indexes together; one of a larger job is kept while it is the only one. About fifty bytes each. */
const keptChunks = 2_000_000;

/** A job without its chunks. */
export type JobOutline = Pick<JobView, 'job' | 'pins' | 'commands' | 'generation' | 'manifests'>;

/** The plans of a job as far as they stand. */
export interface JobPlan {
  readonly index: PlanIndex;
  /** Every plan of the newest generation stands to its end. */
  readonly isSealed: boolean;
  isPlanned(stage: string): boolean;
}

interface Kept {
  readonly reader: PlanReader;
  /** Of the newest generation that ended. */
  outcomes: { readonly generation: number; readonly bits: Promise<OutcomeBits> } | null;
}

export class KeptJobs {
  readonly #store: Store;
  readonly #jobs = new Map<string, Stored<'job'>>();
  readonly #pins = new Map<string, Stored<'pins'>>();
  readonly #manifests = new Map<string, Manifest>();
  readonly #segments = new Map<string, Stored<'segment'>>();
  readonly #plans = new Map<string, Kept>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Null: there is no such job. */
  job(jobId: JobId): Promise<Stored<'job'> | null> {
    return remembered(this.#jobs, jobId, keptJobs, () => readJobRecord(this.#store, jobId));
  }

  /** Null: it is not pinned yet. */
  pins(jobId: JobId): Promise<Stored<'pins'> | null> {
    return remembered(this.#pins, jobId, keptJobs, () => readPins(this.#store, jobId));
  }

  /** Null: this generation has not ended. */
  async manifest(jobId: JobId, generation: number): Promise<Manifest | null> {
    const key = `${jobId}.${generation}`;
    const kept = await remembered(
      this.#manifests,
      key,
      Number.POSITIVE_INFINITY,
      async () => (await readManifest(this.#store, jobId, generation))?.record ?? null,
    );
    this.#lightenManifests(key);
    return kept;
  }

  /** Null: there is no such job. */
  async outline(jobId: JobId): Promise<JobOutline | null> {
    const job = await this.job(jobId);
    if (job === null) return null;
    const [pins, commands, ended] = await Promise.all([this.pins(jobId), readCommands(this.#store, jobId), listManifests(this.#store, jobId)]);
    const manifests = await Promise.all(ended.map((generation) => this.manifest(jobId, generation)));
    return { job, pins, commands, generation: newestGeneration(commands), manifests: manifests.filter((manifest) => manifest !== null) };
  }

  /** The plans of generations up to this one. What was read before is not read again. */
  async plan({ job, generation }: Pick<JobOutline, 'job' | 'generation'>): Promise<JobPlan> {
    const { reader } = this.#kept(job.record);
    const index = await reader.catchUp(generation);
    this.#makeRoom(job.record.jobId);
    return { index, isSealed: reader.isFullyPlanned(generation), isPlanned: (stage) => reader.isPlanned(generation, stage) };
  }

  /** Which chunks have committed and which are dead, by the journal. Of a generation that runs they are read anew each time. */
  async outcomes(outline: JobOutline): Promise<OutcomeBits> {
    const { job, generation, manifests } = outline;
    const { index } = await this.plan(outline);
    const read = (): Promise<OutcomeBits> => readOutcomeBits(this.#store, { job: job.record, index, generation, manifests });
    if (manifests.every((manifest) => manifest.generation !== generation)) return read();
    const kept = this.#kept(job.record);
    if (kept.outcomes?.generation === generation) return kept.outcomes.bits;
    const bits = read();
    kept.outcomes = { generation, bits };
    bits.catch(() => {
      kept.outcomes = null;
    });
    return bits;
  }

  /** A chunk as its plan lists it. */
  async chunk(place: ChunkPlace): Promise<{ readonly segment: Stored<'segment'>; readonly chunk: Stored<'segment'>['record']['chunks'][number] }> {
    const { key, digest } = place.segment;
    const segment = await remembered(this.#segments, key, keptSegments, () => readSegment(this.#store, key, digest));
    const chunk = segment?.record.chunks.find((one) => one.chunk === place.chunk);
    if (segment === null || chunk === undefined) throw new AppError('JOURNAL_UNSAFE', `cannot read chunk ${place.chunk} in ${key}: it was there and is gone`);
    return { segment, chunk };
  }

  #lightenManifests(asked: string): void {
    let weight = [...this.#manifests.values()].reduce((sum, manifest) => sum + weightOf(manifest), 0);
    for (const [key, manifest] of this.#manifests) {
      if (weight <= keptManifests) return;
      if (key === asked) continue;
      this.#manifests.delete(key);
      weight -= weightOf(manifest);
    }
  }

  #kept(job: JobRecord): Kept {
    const known = this.#plans.get(job.jobId);
    const kept = known ?? { reader: new PlanReader(this.#store, job), outcomes: null };
    this.#plans.delete(job.jobId);
    this.#plans.set(job.jobId, kept);
    return kept;
  }

  #makeRoom(asked: JobId): void {
    let chunks = [...this.#plans.values()].reduce((sum, { reader }) => sum + reader.index.size, 0);
    for (const [jobId, { reader }] of this.#plans) {
      if (chunks <= keptChunks && this.#plans.size <= keptJobs) return;
      if (jobId === asked) continue;
      this.#plans.delete(jobId);
      chunks -= reader.index.size;
    }
  }
}

const weightOf = ({ parts, rejects, files, gaps }: Manifest): number => 1 + (parts.length + rejects.length + files.length + gaps.length) / 1_000;

/** What was read once; null is not kept, for it may come. */
async function remembered<Value>(kept: Map<string, Value>, key: string, limit: number, read: () => Promise<Value | null>): Promise<Value | null> {
  const known = kept.get(key);
  const value = known ?? (await read());
  if (value === null) return null;
  kept.delete(key);
  kept.set(key, value);
  const oldest = kept.keys().next();
  if (kept.size > limit && !oldest.done) kept.delete(oldest.value);
  return value;
}
