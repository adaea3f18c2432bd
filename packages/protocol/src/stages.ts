/**
 * The stages of a job in running order: what the pipeline says, made explicit, and before it the two that find out which record owns a unique key. The
 * core has the same function for the pipeline (`schemas/vectors/stages.json` holds what both must answer) and knows those two by their names. Pure.
 */
import type { ResolvedJobSpec, ResolvedOutput, ResolvedSchema, ResolvedStage } from './job-spec-shape.ts';

/** What of a spec decides its stages. */
export interface StagedSpec {
  readonly inputs: readonly { readonly name: string; readonly schema?: string | ResolvedSchema | null }[];
  readonly schema?: string | ResolvedSchema;
  readonly pipeline: readonly Pick<ResolvedStage, 'name' | 'from' | 'exchange' | 'dedupe' | 'sql'>[];
  readonly output?: Pick<ResolvedOutput, 'compact' | 'partitionBy'>;
}

export interface Stage {
  readonly name: string;
  readonly kind: 'map' | 'reduce';
  /** Inputs that a map stage reads as one table, or stages that a reduce stage reads. */
  readonly from: readonly string[];
  /** Of a reduce stage: how the rows of the stages in `from` come together. */
  readonly exchange: ResolvedStage['exchange'];
  readonly dedupe: ResolvedStage['dedupe'];
  /** Null: rows pass through, as in the stage `compact`, or `dedupe` picks among them. */
  readonly sql: string | null;
}

/** The stage before an exchange, and the only one of an empty pipeline. */
export const passThroughStage = 'read';

/** The last stage under `output.compact`: it writes the rows of the one before as they are, in fewer parts. */
export const compactStage = 'compact';

/** The stage that reads the keys of all records, and the one that finds the first record of each key. No stage of a pipeline has these names. */
export const keyStages = { unique: 'unique', owners: 'owners' } as const;

/** A pass over keys alone: what becomes of the records it reads is seen in the stage behind it. */
export const isKeyStage = (name: string): boolean => name === keyStages.unique || name === keyStages.owners;

/** The columns of each constraint of a schema that holds over the whole job: its primary key, then its unique fields. */
export function uniqueKeysOf(schema: string | Pick<ResolvedSchema, 'primaryKey' | 'fields'>): string[][] {
  if (typeof schema === 'string') return [];
  const primary = schema.primaryKey.length === 0 ? [] : [schema.primaryKey];
  const single = schema.fields.filter(({ constraints }) => constraints.unique).map(({ name }) => [name]);
  return [...primary, ...single.filter(([name]) => !(schema.primaryKey.length === 1 && schema.primaryKey[0] === name))];
}

/**
 * The spec must be one that `resolveJobSpec` let pass: names are given, and each stage but the last is read once. Stages up to the first reduce stage
 * read files and are planned with them; each later one is planned when every chunk before it has an outcome.
 */
export function stagesOf(spec: StagedSpec): Stage[] {
  const stages = pipelineStages(spec);
  const keyed = spec.inputs.filter(({ schema }) => uniqueKeysOf(schema ?? spec.schema ?? 'auto').length > 0).map(({ name }) => name);
  if (keyed.length === 0) return stages;
  const none = { exchange: null, dedupe: null, sql: null };
  const unique: Stage = { ...none, name: keyStages.unique, kind: 'map', from: keyed };
  const owners: Stage = { ...none, name: keyStages.owners, kind: 'reduce', from: [unique.name], exchange: { keys: ['key'], partitions: 'auto' } };
  const waits = ({ kind, from }: Stage): boolean => kind === 'map' && from.some((input) => keyed.includes(input));
  const maps = stages.filter(({ kind }) => kind === 'map');
  return [unique, ...maps.filter((stage) => !waits(stage)), owners, ...maps.filter(waits), ...stages.filter(({ kind }) => kind === 'reduce')];
}

function pipelineStages(spec: StagedSpec): Stage[] {
  const inputs = spec.inputs.map(({ name }) => name);
  const stages: Stage[] = [];
  if (spec.pipeline[0] === undefined || spec.pipeline[0].exchange !== null) {
    stages.push({ name: passThroughStage, kind: 'map', from: inputs, exchange: null, dedupe: null, sql: null });
  }
  for (const { name, from, exchange, dedupe, sql } of spec.pipeline) {
    const written = from === null ? null : [from].flat();
    const before = stages.at(-1);
    if (exchange === null) stages.push({ name, kind: 'map', from: written ?? inputs, exchange, dedupe: null, sql });
    else stages.push({ name, kind: 'reduce', from: written ?? (before ? [before.name] : []), exchange, dedupe, sql });
  }
  const last = stages.at(-1);
  if (spec.output?.compact && last) {
    // Rows of one folder meet in one partition. Without folders there is one exchange partition, which planning cuts in ranges.
    const exchange = { keys: spec.output.partitionBy, partitions: 'auto' } as const;
    stages.push({ name: compactStage, kind: 'reduce', from: [last.name], exchange, dedupe: null, sql: null });
  }
  return stages;
}

type Kinds = Pick<Stage, 'kind'>;

/** Stages that are planned over files. */
export function fileStages<One extends Kinds>(stages: readonly One[]): One[] {
  const first = stages.findIndex(({ kind }) => kind === 'reduce');
  return stages.slice(0, first === -1 ? stages.length : first);
}

/** Stages that are planned one by one over what those before them have done: reduce stages, and map stages that wait for the owners of keys. */
export function laterStages<One extends Kinds>(stages: readonly One[]): One[] {
  return stages.slice(fileStages(stages).length);
}

/** The stage in which a record of this map stage is read first: where it waits for the owners of its keys, the one that reads those. */
export function entryStageOf(stages: readonly Pick<Stage, 'name' | 'kind'>[], name: string): string {
  return laterStages(stages).some((stage) => stage.kind === 'map' && stage.name === name) ? keyStages.unique : name;
}

/** The stage that reads the rows of this one; null of the last, whose rows are the output. */
export function readerOf(stages: readonly Stage[], name: string): Stage | null {
  return stages.find(({ kind, from }) => kind === 'reduce' && from.includes(name)) ?? null;
}

/** Names of the inputs whose records reach a stage, in the order of the spec. */
export function inputsBehind(stages: readonly Stage[], name: string): string[] {
  const stage = stages.find((one) => one.name === name);
  if (stage === undefined) return [];
  return stage.kind === 'map' ? [...stage.from] : [...new Set(stage.from.flatMap((from) => inputsBehind(stages, from)))];
}

/** Number of the plan task of a later stage: behind the files, and behind the number that says that all of them were given up. */
export function stagePlanNumber(inputFiles: number, laterIndex: number): number {
  return inputFiles + 1 + laterIndex;
}

/** Which of the later stages a plan task plans, counted from 0; null: it plans files from that number on. */
export function laterIndexOf(inputFiles: number, planNumber: number): number | null {
  return planNumber > inputFiles ? planNumber - inputFiles - 1 : null;
}

const mostAutoPartitions = 1_024;
/** Of a stream, whose size nobody knows when its first chunk runs. */
const streamPartitions = 64;

/**
 * How many partitions each reduce stage has, fixed once in the pins. `auto`: stored bytes of the inputs behind it ÷ (4 × chunk size), 1 to 1,024;
 * without keys all rows belong together. `bytesOfInput` is null for a stream.
 */
export function partitionsOf(spec: StagedSpec & Pick<ResolvedJobSpec, 'execution'>, bytesOfInput: ReadonlyMap<string, number> | null): Record<string, number> {
  const stages = stagesOf(spec);
  return Object.fromEntries(
    stages.flatMap(({ name, exchange }) => {
      if (exchange === null) return [];
      if (exchange.partitions !== 'auto') return [[name, exchange.partitions]];
      if (exchange.keys.length === 0) return [[name, 1]];
      if (bytesOfInput === null) return [[name, streamPartitions]];
      const bytes = inputsBehind(stages, name).reduce((sum, input) => sum + (bytesOfInput.get(input) ?? 0), 0);
      return [[name, Math.min(mostAutoPartitions, Math.max(1, Math.ceil(bytes / (4 * spec.execution.chunkSize))))]];
    }),
  );
}
