/** The stages as a graph: what each reads, how far it is, and how many records or rows go along each edge. */
import type { JobStageView } from '@millrace/api-contract';
import { formatCount } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { Go, pathOf } from '../../ui/go.tsx';
import { SplitBar } from '../../ui/split-bar.tsx';
import styles from './stage-graph.module.css';
import { boxHeight, boxWidth, type GraphBox, type GraphEdge, layOutStages } from './stage-layout.ts';

interface StageGraphProps {
  readonly jobId: string;
  readonly stages: readonly JobStageView[];
  readonly running: boolean;
}

export function StageGraph({ jobId, stages, running }: StageGraphProps) {
  const graph = layOutStages(stages);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide graph is scrolled with the keys
    <div className={styles.frame} tabIndex={0} role="group" aria-label="stages">
      <div className={styles.graph} style={{ width: graph.width, height: graph.height }}>
        <svg width={graph.width} height={graph.height} className={styles.edges} aria-hidden="true">
          {graph.edges.map((edge) => (
            <Edge key={edge.key} edge={edge} />
          ))}
        </svg>
        {graph.boxes.map((box) => (
          <Box key={box.key} jobId={jobId} box={box} running={running} />
        ))}
      </div>
    </div>
  );
}

function Edge({ edge: { from, to, count } }: { readonly edge: GraphEdge }) {
  const [x1, y1] = [from.x + boxWidth, from.y + boxHeight / 2];
  const [x2, y2] = [to.x, to.y + boxHeight / 2];
  const middle = (x1 + x2) / 2;
  return (
    <>
      <path d={`M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2 - 5},${y2}`} className={styles.edge} />
      <path d={`M${x2 - 7},${y2 - 4} L${x2},${y2} L${x2 - 7},${y2 + 4} Z`} className={styles.arrow} />
      {count !== null && (
        <text x={x2 - 10} y={y2 - 6} textAnchor="end" className={styles.count}>
          {formatCount(count)}
        </text>
      )}
    </>
  );
}

function Box({ jobId, box: { kind, name, stage, x, y }, running }: { readonly jobId: string; readonly box: GraphBox; readonly running: boolean }) {
  const style = { left: x, top: y, width: boxWidth, height: boxHeight };
  if (stage === null) {
    return (
      <div className={styles.end} style={style}>
        <span>{kind}</span>
        {kind === 'input' && <b>{visibleText(name)}</b>}
      </div>
    );
  }
  const { chunks } = stage;
  const unit = stage.kind === 'map' ? 'chunk' : 'partition';
  return (
    <Go to={pathOf.stage(jobId, name)} className={styles.box}>
      <span className={styles.boxPlace} style={style}>
        <span className={styles.boxHead}>
          <b>{visibleText(name)}</b> <span>{stage.kind}</span>
        </span>
        <SplitBar
          parts={[
            { name: 'committed', value: chunks.committed, fill: 'good' },
            { name: 'dead', value: chunks.dead, fill: 'bad' },
          ]}
          total={chunks.total}
          label={unit}
        />
        <span className={styles.boxFoot}>
          {chunks.total === 0 ? 'not planned yet' : `${formatCount(chunks.committed)} of ${formatCount(chunks.total)}${stage.sealed || !running ? '' : '+'}`}
          {chunks.dead > 0 && <em>{formatCount(chunks.dead)} dead</em>}
        </span>
      </span>
    </Go>
  );
}
