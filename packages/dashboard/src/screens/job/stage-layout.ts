/** Where the stages of a job stand in their graph. Pure. */
import type { JobStageView } from '@millrace/api-contract';

export const boxWidth = 176;
export const boxHeight = 62;
const gapX = 92;
const gapY = 22;

export interface GraphBox {
  readonly key: string;
  readonly kind: 'input' | 'stage' | 'output';
  readonly name: string;
  readonly stage: JobStageView | null;
  readonly x: number;
  readonly y: number;
}

export interface GraphEdge {
  readonly key: string;
  readonly from: GraphBox;
  readonly to: GraphBox;
  /** Records, or rows, that go along; null: not known yet. */
  readonly count: number | null;
}

export interface StageGraph {
  readonly boxes: readonly GraphBox[];
  readonly edges: readonly GraphEdge[];
  readonly width: number;
  readonly height: number;
}

/** Inputs at the left, each stage right of all that it reads, the output at the right. Stages that nothing reads lead to the output. */
export function layOutStages(stages: readonly JobStageView[]): StageGraph {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const inputs = [...new Set(stages.flatMap(({ kind, from }) => (kind === 'map' ? from.filter((name) => !byName.has(name)) : [])))];
  const depths = depthsOf(stages, byName);
  const last = Math.max(0, ...depths.values()) + 1;
  const columns = new Map<number, { key: string; kind: GraphBox['kind']; name: string; stage: JobStageView | null }[]>();
  const put = (column: number, box: { key: string; kind: GraphBox['kind']; name: string; stage: JobStageView | null }): void => {
    columns.set(column, [...(columns.get(column) ?? []), box]);
  };
  for (const name of inputs) put(0, { key: `input ${name}`, kind: 'input', name, stage: null });
  for (const stage of stages) put(depths.get(stage.name) ?? 1, { key: `stage ${stage.name}`, kind: 'stage', name: stage.name, stage });
  put(last, { key: 'output', kind: 'output', name: 'output', stage: null });

  const tallest = Math.max(...[...columns.values()].map((column) => column.length));
  const height = tallest * boxHeight + (tallest - 1) * gapY;
  const boxes = [...columns].flatMap(([column, all]) => {
    const top = (height - all.length * boxHeight - (all.length - 1) * gapY) / 2;
    return all.map((box, at): GraphBox => ({ ...box, x: column * (boxWidth + gapX), y: top + at * (boxHeight + gapY) }));
  });
  return { boxes, edges: edgesOf(stages, boxes), width: (last + 1) * boxWidth + last * gapX, height };
}

function depthsOf(stages: readonly JobStageView[], byName: ReadonlyMap<string, JobStageView>): Map<string, number> {
  const depths = new Map<string, number>();
  // In running order: what a stage reads stands before it.
  for (const { name, from } of stages) depths.set(name, 1 + Math.max(0, ...from.filter((each) => byName.has(each)).map((each) => depths.get(each) ?? 0)));
  return depths;
}

function edgesOf(stages: readonly JobStageView[], boxes: readonly GraphBox[]): GraphEdge[] {
  const box = (key: string): GraphBox | undefined => boxes.find((each) => each.key === key);
  const edges: GraphEdge[] = [];
  const join = (from: GraphBox | undefined, to: GraphBox | undefined, count: number | null): void => {
    if (from !== undefined && to !== undefined) edges.push({ key: `${from.key} ${to.key}`, from, to, count });
  };
  for (const stage of stages) {
    for (const name of stage.from) {
      const source = stages.find((each) => each.name === name);
      join(
        box(source === undefined ? `input ${name}` : `stage ${name}`),
        box(`stage ${stage.name}`),
        source === undefined ? (stage.balance?.recordsIn ?? null) : (source.balance?.rowsOut ?? null),
      );
    }
    const isRead = stages.some(({ from }) => from.includes(stage.name));
    if (!isRead) join(box(`stage ${stage.name}`), box('output'), stage.balance?.rowsOut ?? null);
  }
  return edges;
}
