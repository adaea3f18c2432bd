/**
 * The stages of a job in running order: what the pipeline says, made explicit. The core has the same function; `schemas/vectors/stages.json` holds
 * what both must answer. Pure.
 */
import type { ResolvedJobSpec, ResolvedStage } from './job-spec-shape.ts';

/** What of a spec decides its stages. */
export interface StagedSpec {
  readonly inputs: readonly { readonly name: string }[];
  readonly pipeline: readonly Pick<ResolvedStage, 'name' | 'from' | 'exchange' | 'dedupe' | 'sql'>[];
}

export interface Stage {
  readonly name: string;
  readonly kind: 'map' | 'reduce';
  /** Inputs that a map stage reads as one table, or stages that a reduce stage reads. */
  readonly from: readonly string[];
  /** Of a reduce stage: how the rows of the stages in `from` come together. */
  readonly exchange: ResolvedStage['exchange'];
  readonly dedupe: ResolvedStage['dedupe'];
  /** Null: rows pass through, or `dedupe` picks among them. */
  readonly sql: string | null;
}

/** The stage before an exchange, and the only one of an empty pipeline. */
export const passThroughStage = 'read';

/** The spec must be one that `resolveJobSpec` let pass: names are given, and each stage but the last is read once. */
export function stagesOf(spec: StagedSpec): Stage[] {
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
  return stages;
}

export function mapStagesOf(spec: StagedSpec): Stage[] {
  return stagesOf(spec).filter(({ kind }) => kind === 'map');
}

export function reduceStagesOf(spec: StagedSpec): Stage[] {
  return stagesOf(spec).filter(({ kind }) => kind === 'reduce');
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

/** Number of the plan task of a reduce stage: behind the files, and behind the number that says that all of them were given up. */
export function stagePlanNumber(inputFiles: number, reduceIndex: number): number {
  return inputFiles + 1 + reduceIndex;
}

/** Which reduce stage a plan task plans, counted from 0; null: it plans files from that number on. */
export function reduceIndexOf(inputFiles: number, planNumber: number): number | null {
  return planNumber > inputFiles ? planNumber - inputFiles - 1 : null;
}

const mostAutoPartitions = 1_024;

/**
 * How many partitions each reduce stage has, fixed once in the pins. `auto`: stored bytes of the inputs behind it ÷ (4 × chunk size), 1 to 1,024;
 * without keys all rows belong together.
 */
export function partitionsOf(spec: StagedSpec & Pick<ResolvedJobSpec, 'execution'>, bytesOfInput: ReadonlyMap<string, number>): Record<string, number> {
  const stages = stagesOf(spec);
  return Object.fromEntries(
    stages.flatMap(({ name, exchange }) => {
      if (exchange === null) return [];
      if (exchange.partitions !== 'auto') return [[name, exchange.partitions]];
      if (exchange.keys.length === 0) return [[name, 1]];
      const bytes = inputsBehind(stages, name).reduce((sum, input) => sum + (bytesOfInput.get(input) ?? 0), 0);
      return [[name, Math.min(mostAutoPartitions, Math.max(1, Math.ceil(bytes / (4 * spec.execution.chunkSize))))]];
    }),
  );
}
