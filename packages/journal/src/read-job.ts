/**
 * A job from its records alone: for the rebuild of the ledger, the finisher, and the command line on a directory. What counts for a chunk is its
 * verdict in the newest generation up to the one asked for whose plan lists it: an older `closed` is no outcome, an older receipt is final.
 */
import {
  type Chunk,
  type Command,
  type JobId,
  type JobRecord,
  jobStages,
  laterStages,
  type Manifest,
  type ResolvedJobSpec,
  type Sealed,
} from '@millrace/protocol';

import { readCommands } from './commands.ts';
import { readJobRecord } from './jobs.ts';
import { listManifests, readManifest } from './manifests.ts';
import { verdictKey } from './paths.ts';
import { readPins } from './pins.ts';
import { listSegments, readSealed } from './plan-segments.ts';
import type { Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';
import { listVerdicts, readVerdictAt, type VerdictName } from './verdicts.ts';

/** The plan of one generation as far as it stands. `segments` and `sealed` are those of the stages that read files. */
export interface PlanView {
  readonly generation: number;
  readonly segments: readonly Stored<'segment'>[];
  readonly sealed: Sealed | null;
  /** Of each later stage, in running order. */
  readonly stages: readonly StagePlan[];
}

/** The plan of a later stage in one generation. */
export interface StagePlan {
  readonly stage: string;
  readonly segments: readonly Stored<'segment'>[];
  readonly sealed: Sealed | null;
}

/** A chunk, with the newest generation whose plan lists it. */
export interface ChunkView {
  readonly stage: string;
  readonly chunk: Chunk;
  readonly generation: number;
  readonly segment: Stored<'segment'>;
  /** Every generation whose plan lists it, oldest first. */
  readonly listedIn: readonly number[];
  /** Its filled verdicts, oldest first, by name alone. */
  readonly verdicts: readonly VerdictName[];
}

export interface JobView {
  readonly job: Stored<'job'>;
  readonly pins: Stored<'pins'> | null;
  readonly commands: readonly Command[];
  /** One for each generation opened so far, in order. */
  readonly plans: readonly PlanView[];
  /** The newest generation: that of the last redrive, else 1. */
  readonly generation: number;
  readonly manifests: readonly Manifest[];
  /** By index of the chunk, in order. */
  readonly chunks: readonly ChunkView[];
  /** Filled verdicts of stage `plan`: files that cannot be planned. */
  readonly plannedFiles: readonly VerdictName[];
}

/** Null: there is no such job. Verdicts are listed, not read: `readOutcome` reads the one that counts. */
export async function readJob(store: Store, jobId: JobId): Promise<JobView | null> {
  const job = await readJobRecord(store, jobId);
  if (job === null) return null;
  const [pins, commands, manifests] = await Promise.all([readPins(store, jobId), readCommands(store, jobId), readManifests(store, jobId)]);
  const generation = newestGeneration(commands);
  const plans: PlanView[] = [];
  for (let number = 1; number <= generation; number++) plans.push(await readPlan(store, job.record, number));
  const verdicts = await verdictsByChunk(store, job.record);
  const plannedFiles: VerdictName[] = [];
  for await (const name of listVerdicts(store, jobId, 'plan')) plannedFiles.push(name);
  return { job, pins, commands, plans, generation, manifests, chunks: chunkViews(plans, verdicts), plannedFiles };
}

/** The verdict that counts for a chunk in a generation, or null while it has none. */
export async function readOutcome(store: Store, chunk: ChunkView, upTo: number = chunk.generation): Promise<Stored<'verdict'> | null> {
  const listed = chunk.listedIn.filter((generation) => generation <= upTo).at(-1);
  const name = chunk.verdicts.find((verdict) => verdict.generation === listed);
  if (name) return readVerdictAt(store, name.key);
  // A verdict that lost to a receipt of an older generation was never filled: the receipt is what counts.
  for (const older of chunk.verdicts.filter((verdict) => verdict.generation <= upTo).reverse()) {
    const stored = await readVerdictAt(store, older.key);
    if (stored?.record.outcome === 'committed') return stored;
  }
  return null;
}

/** The spec and digest that a generation runs with: of the newest redrive up to it that overrides it, else the job's. */
export function specOfGeneration(
  view: { readonly job: { readonly record: JobRecord }; readonly commands: readonly Command[] },
  generation: number,
): { spec: ResolvedJobSpec; specDigest: string } {
  const overrides = view.commands.filter((command) => command.opens !== null && command.opens <= generation && command.spec !== null).at(-1);
  const { spec, specDigest } = view.job.record;
  return overrides?.spec && overrides.specDigest ? { spec: overrides.spec, specDigest: overrides.specDigest } : { spec, specDigest };
}

/** The highest generation that a redrive opened, else 1. Only the first command that names a number opens it. */
export function newestGeneration(commands: readonly Command[]): number {
  return commands.reduce((newest, command) => (command.opens === newest + 1 ? command.opens : newest), 1);
}

export async function readPlan(store: Store, job: JobRecord, generation: number): Promise<PlanView> {
  const maps = await readStagePlan(store, job.jobId, generation, 0, null);
  const stages: StagePlan[] = [];
  // Numbers go on from plan to plan, and a stage is planned only when the plan before it is sealed.
  let from = maps.segments.length;
  for (const { name } of laterStages(jobStages(job))) {
    const plan = { stage: name, ...(await readStagePlan(store, job.jobId, generation, from, name)) };
    stages.push(plan);
    from += plan.segments.length;
  }
  return { generation, ...maps, stages };
}

async function readStagePlan(store: Store, jobId: JobId, generation: number, from: number, stage: string | null): Promise<Omit<StagePlan, 'stage'>> {
  const segments: Stored<'segment'>[] = [];
  for await (const segment of listSegments(store, jobId, generation, from, stage)) segments.push(segment);
  const sealed = await readSealed(store, jobId, generation, stage);
  return { segments, sealed: sealed?.record ?? null };
}

/** Every segment of a generation, of all stages. */
export function allSegments(plan: PlanView): Stored<'segment'>[] {
  return [...plan.segments, ...plan.stages.flatMap(({ segments }) => segments)];
}

/** Every plan that the generation needs stands to its end. */
export function isFullyPlanned(plan: PlanView): boolean {
  return plan.sealed !== null && plan.stages.every(({ sealed }) => sealed !== null);
}

async function readManifests(store: Store, jobId: JobId): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for (const generation of await listManifests(store, jobId)) {
    const stored = await readManifest(store, jobId, generation);
    if (stored) manifests.push(stored.record);
  }
  return manifests;
}

/** Spells its key when it is asked for: a job may have a million of them. */
class FilledVerdict implements VerdictName {
  readonly #folder: { readonly jobId: JobId; readonly stage: string };
  readonly chunk: number;
  readonly generation: number;

  constructor(folder: { readonly jobId: JobId; readonly stage: string }, { chunk, generation }: Pick<VerdictName, 'chunk' | 'generation'>) {
    this.#folder = folder;
    this.chunk = chunk;
    this.generation = generation;
  }

  get key(): string {
    return verdictKey(this.#folder.jobId, this.#folder.stage, this.chunk, this.generation);
  }
}

async function verdictsByChunk(store: Store, job: JobRecord): Promise<Map<number, VerdictName[]>> {
  const verdicts = new Map<number, VerdictName[]>();
  for (const { name: stage } of jobStages(job)) {
    const folder = { jobId: job.jobId, stage };
    for await (const listed of listVerdicts(store, job.jobId, stage)) {
      const name = new FilledVerdict(folder, listed);
      const known = verdicts.get(name.chunk);
      if (known) known.push(name);
      else verdicts.set(name.chunk, [name]);
    }
  }
  return verdicts;
}

function chunkViews(plans: readonly PlanView[], verdicts: ReadonlyMap<number, VerdictName[]>): ChunkView[] {
  const views = new Map<number, ChunkView>();
  for (const filled of verdicts.values()) if (filled.length > 1) filled.sort((a, b) => a.generation - b.generation);
  const listed = new ListedIn();
  for (const plan of plans) {
    for (const segment of allSegments(plan)) {
      const { stage } = segment.record;
      for (const chunk of segment.record.chunks) {
        const listedIn = listed.behind(views.get(chunk.chunk)?.listedIn ?? nowhere, plan.generation);
        views.set(chunk.chunk, { stage, chunk, generation: plan.generation, segment, listedIn, verdicts: verdicts.get(chunk.chunk) ?? noVerdicts });
      }
    }
  }
  return [...views.values()].sort((a, b) => a.chunk.chunk - b.chunk.chunk);
}

const nowhere: readonly number[] = [];
const noVerdicts: readonly VerdictName[] = [];

/** The few lists of generations that there are, one for all chunks that are listed in the same. */
class ListedIn {
  readonly #known = new Map<readonly number[], Map<number, readonly number[]>>();

  /** `before` and one more. */
  behind(before: readonly number[], generation: number): readonly number[] {
    const longer = this.#known.get(before) ?? new Map<number, readonly number[]>();
    const known = longer.get(generation);
    if (known !== undefined) return known;
    const list = [...before, generation];
    this.#known.set(before, longer.set(generation, list));
    return list;
  }
}
