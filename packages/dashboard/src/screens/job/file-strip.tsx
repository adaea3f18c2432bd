/**
 * The file strip: one canvas per file, each cell in the worst state of its chunks. Hover tells what is there, a click opens the chunk (or the chunks),
 * a drag lists the chunks of a range, the wheel with Ctrl or ⌘, a pinch, and the keys + − ← → zoom and move. The same is there as a table.
 */
import type { Strip, StripCell } from '@millrace/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import { formatBytes, formatCount, formatNoun } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { useShownScheme } from '../../preferences.ts';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import styles from './file-strip.module.css';
import { stripQuery } from './queries.ts';
import { cellAt, drawnCells, offsetAt, panned, type StripView, wholeView, zoomed } from './strip-cells.ts';

const height = 26;
const askedCells = 1_000;

/** Colour and pattern of each state: patterns tell apart what colours cannot. */
const looks: Readonly<Record<string, { readonly fill: string; readonly pattern?: 'dots' | 'cross' | 'bars' }>> = {
  committed: { fill: '--fill-good' },
  rejects: { fill: '--fill-good', pattern: 'dots' },
  running: { fill: '--fill-busy' },
  retrying: { fill: '--fill-warn', pattern: 'bars' },
  queued: { fill: '--fill-wait' },
  pending: { fill: '--fill-wait' },
  cancelled: { fill: '--line' },
  dead: { fill: '--fill-bad', pattern: 'cross' },
};

const lookOf = (cell: StripCell): string => (cell.state === 'committed' && cell.rejects !== 0 ? 'rejects' : cell.state);
const stateWords: Readonly<Record<string, string>> = { rejects: 'with rejects', pending: 'waiting', queued: 'waiting' };

interface FileStripProps {
  readonly jobId: string;
  readonly of: { readonly file?: number; readonly stage?: string };
}

export function FileStrip({ jobId, of }: FileStripProps) {
  const { data, error, refetch } = useQuery(stripQuery(jobId, of, askedCells));
  if (error !== null) return <ProblemNote error={error} doing="read the strip" onRetry={() => void refetch()} />;
  if (data === undefined) return <div className={styles.place} />;
  return <StripCanvas jobId={jobId} strip={data} />;
}

function offsetText(strip: Strip, offset: number): string {
  return strip.unit === 'byte' ? formatBytes(offset) : `${strip.unit} ${formatCount(Math.floor(offset))}`;
}

function StripCanvas({ jobId, strip }: { readonly jobId: string; readonly strip: Strip }) {
  const navigate = useNavigate();
  const scheme = useShownScheme();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [chosen, setView] = useState<StripView | null>(null);
  const [hover, setHover] = useState<{ readonly x: number; readonly cell: StripCell } | null>(null);
  const [dragFrom, setDragFrom] = useState<number | null>(null);
  const [dragTo, setDragTo] = useState<number | null>(null);
  const [asTable, setAsTable] = useState(false);
  // While the job is planned the strip grows to the right: room is left for what is not known yet.
  const length = Math.max(1, strip.planned ? strip.length : Math.max(strip.length, strip.length * 1.08));
  const view = chosen ?? wholeView(length);
  const latest = useRef({ view, length, cells: strip.cells.length, width });
  latest.current = { view, length, cells: strip.cells.length, width };

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    // React listens to wheels passively; zooming must keep the page from zooming.
    const wheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { view: now, length: whole, cells, width: pixels } = latest.current;
      setView(zoomed(now, offsetAt(event.offsetX, now, pixels), event.deltaY > 0 ? 1.25 : 0.8, whole, cells));
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => {
      observer.disconnect();
      element.removeEventListener('wheel', wheel);
    };
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another scheme has other colours
  useEffect(() => {
    const element = canvas.current;
    if (element !== null && width > 0) draw(element, strip, view, width);
  }, [strip, view.start, view.end, width, scheme]);

  const xOf = (event: PointerEvent): number => event.clientX - (canvas.current?.getBoundingClientRect().left ?? 0);
  const openCells = (from: number, to: number): void => {
    const [low, high] = [Math.floor(Math.min(from, to)), Math.ceil(Math.max(from, to))];
    const q = strip.unit === 'byte' && strip.file !== null ? `file:"${fileName(strip.file.uri).replaceAll(/["\\]/g, '\\$&')}" offset:${low}..${high}` : '';
    void navigate({ to: pathOf.stage(jobId, strip.stage), search: (q === '' ? {} : { q }) as never });
  };
  const open = (cell: StripCell): void => {
    if (cell.first === cell.last) void navigate({ to: pathOf.chunk(jobId, strip.stage, cell.first) });
    else openCells(cell.start, cell.end - 1);
  };
  const onPointerUp = (event: PointerEvent): void => {
    const x = xOf(event);
    if (dragFrom !== null && Math.abs(x - dragFrom) > 5) openCells(offsetAt(dragFrom, view, width), offsetAt(x, view, width));
    else {
      const cell = cellAt(strip.cells, offsetAt(x, view, width));
      if (cell !== null) open(cell);
    }
    setDragFrom(null);
    setDragTo(null);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const middle = (view.start + view.end) / 2;
    if (event.key === '+' || event.key === '=') setView(zoomed(view, middle, 0.6, length, strip.cells.length));
    else if (event.key === '-') setView(zoomed(view, middle, 1.6, length, strip.cells.length));
    else if (event.key === 'ArrowRight') setView(panned(view, 0.2, length));
    else if (event.key === 'ArrowLeft') setView(panned(view, -0.2, length));
    else if (event.key === '0') setView(null);
    else return;
    event.preventDefault();
  };

  const { chunks } = strip;
  const name = strip.file === null ? `stage ${strip.stage}` : fileName(strip.file.uri);
  return (
    <figure className={styles.strip}>
      <div className={styles.canvasFrame}>
        <canvas
          ref={canvas}
          className={styles.canvas}
          tabIndex={0}
          role="img"
          aria-label={`${visibleText(name)}: ${formatCount(chunks.committed)} of ${formatCount(chunks.total)} chunks committed, ${formatCount(chunks.running)} running, ${formatCount(chunks.dead)} dead. Keys: plus, minus, arrows.`}
          onPointerDown={(event) => {
            setDragFrom(xOf(event));
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={(event) => {
            const x = xOf(event);
            const cell = cellAt(strip.cells, offsetAt(x, view, width));
            setHover(cell === null ? null : { x, cell });
            if (dragFrom !== null) setDragTo(x);
          }}
          onPointerLeave={() => setHover(null)}
          onPointerUp={onPointerUp}
          onKeyDown={onKeyDown}
        />
        {dragFrom !== null && dragTo !== null && (
          <span className={styles.drag} style={{ left: Math.min(dragFrom, dragTo), width: Math.abs(dragTo - dragFrom) }} />
        )}
        {hover !== null && (
          <div className={styles.tip} style={hover.x > width / 2 ? { right: width - hover.x } : { left: hover.x }}>
            <CellWords strip={strip} cell={hover.cell} />
          </div>
        )}
      </div>
      <figcaption className={styles.scale}>
        <span>{offsetText(strip, view.start)}</span>
        <span className={styles.scaleActs}>
          {chosen !== null && (
            <Button small tone="quiet" onClick={() => setView(null)}>
              Show all
            </Button>
          )}
          <Button small tone="quiet" pressed={asTable} onClick={() => setAsTable(!asTable)}>
            Table
          </Button>
        </span>
        <span>
          {strip.planned || chosen !== null
            ? offsetText(strip, view.end)
            : strip.length === 0
              ? 'nothing planned yet'
              : `${offsetText(strip, strip.length)} planned so far`}
        </span>
      </figcaption>
      {asTable && <StripTable jobId={jobId} strip={strip} />}
    </figure>
  );
}

function CellWords({ strip, cell }: { readonly strip: Strip; readonly cell: StripCell }) {
  const look = lookOf(cell);
  return (
    <>
      <b>{offsetText(strip, cell.start)}</b> ·{' '}
      {cell.first === cell.last ? `chunk ${strip.stage}.${cell.first}` : `${formatNoun(cell.chunks, 'chunk')} ${cell.first}–${cell.last}`} ·{' '}
      {stateWords[look] ?? look}
      {cell.rejects !== null && cell.rejects > 0 && <> · {formatNoun(cell.rejects, 'reject')}</>}
    </>
  );
}

const tableRows = 200;

/** Runs of cells in the same state: the strip for those who read. */
function StripTable({ jobId, strip }: { readonly jobId: string; readonly strip: Strip }) {
  const runs: StripCell[] = [];
  for (const cell of strip.cells) {
    const last = runs.at(-1);
    if (last !== undefined && lookOf(last) === lookOf(cell) && cell.rejects === 0 && last.end === cell.start) {
      runs[runs.length - 1] = { ...last, end: cell.end, chunks: last.chunks + cell.chunks, last: cell.last };
    } else runs.push(cell);
  }
  return (
    <div className={styles.tableFrame}>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">from</th>
            <th scope="col">to</th>
            <th scope="col">state</th>
            <th scope="col">chunks</th>
            <th scope="col">rejects</th>
          </tr>
        </thead>
        <tbody>
          {runs.slice(0, tableRows).map((run) => (
            <tr key={run.first}>
              <td>{offsetText(strip, run.start)}</td>
              <td>{offsetText(strip, run.end)}</td>
              <td>{stateWords[lookOf(run)] ?? lookOf(run)}</td>
              <td>
                <Go to={pathOf.chunk(jobId, strip.stage, run.first)}>{run.first}</Go>
                {run.last > run.first && (
                  <>
                    –<Go to={pathOf.chunk(jobId, strip.stage, run.last)}>{run.last}</Go>
                  </>
                )}
              </td>
              <td>{run.rejects === null ? 'some' : formatCount(run.rejects)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {runs.length > tableRows && <p>{formatNoun(runs.length - tableRows, 'more run')} of chunks are not listed here; the stage lists all.</p>}
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, strip: Strip, view: StripView, width: number): void {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.scale(ratio, ratio);
  const page = getComputedStyle(document.documentElement);
  const colour = (name: string): string => page.getPropertyValue(name).trim();
  context.fillStyle = colour('--sunken');
  context.fillRect(0, 0, width, height);
  const paper = colour('--raised');
  for (const { x, width: cellWidth, cell } of drawnCells(strip.cells, view, width)) {
    const look = lookOf(cell);
    const { fill, pattern } = looks[look] ?? { fill: '--fill-wait' };
    context.globalAlpha = look === 'pending' ? 0.55 : 1;
    context.fillStyle = colour(fill);
    context.fillRect(x, 0, cellWidth, height);
    context.globalAlpha = 1;
    if (pattern === 'dots' || pattern === 'bars') drawPattern(context, pattern, x, cellWidth, pattern === 'dots' ? colour('--fill-warn') : paper, paper);
  }
  // Last, so that no neighbour covers them.
  for (const { x, width: cellWidth, cell } of drawnCells(strip.cells, view, width)) {
    if (cell.state === 'dead') drawPattern(context, 'cross', x, cellWidth, colour('--fill-bad'), paper);
  }
}

/** Rejects: a mark on top, wide enough to be seen; a dead cell: a cross; a wait for another attempt: bars. */
function drawPattern(context: CanvasRenderingContext2D, pattern: 'dots' | 'cross' | 'bars', x: number, width: number, colour: string, paper: string): void {
  context.fillStyle = colour;
  if (pattern === 'dots') context.fillRect(x, 0, Math.max(2, width), 9);
  else if (pattern === 'bars') for (let y = 3; y < height; y += 6) context.fillRect(x, y, width, 1);
  else {
    const middle = x + width / 2;
    context.fillRect(middle - Math.max(1.5, width / 2), 0, Math.max(3, width), height);
    context.beginPath();
    context.arc(middle, height / 2, 7, 0, 2 * Math.PI);
    context.fill();
    context.strokeStyle = paper;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(middle - 3, height / 2 - 3);
    context.lineTo(middle + 3, height / 2 + 3);
    context.moveTo(middle + 3, height / 2 - 3);
    context.lineTo(middle - 3, height / 2 + 3);
    context.stroke();
  }
}

/** What the colours of strips mean. */
export function StripLegend() {
  return (
    <ul className={styles.legend}>
      {(
        [
          ['committed', 'committed'],
          ['rejects', 'with rejects'],
          ['running', 'running'],
          ['retrying', 'retrying'],
          ['pending', 'waiting'],
          ['dead', 'dead'],
        ] as const
      ).map(([look, word]) => (
        <li key={look}>
          <span className={styles.swatch} data-look={look} aria-hidden />
          {word}
        </li>
      ))}
    </ul>
  );
}
