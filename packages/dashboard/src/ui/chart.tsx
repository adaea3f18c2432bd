/** A chart over time: uPlot behind the few options we use. Dragging selects a span; the numbers are also there as a table. */
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Zone } from '../format/times.ts';
import { formatInstantInFull } from '../format/times.ts';
import { useShownScheme } from '../preferences.ts';
import styles from './chart.module.css';

export interface ChartSeries {
  readonly name: string;
  /** Custom property of the colour, such as `--fill-good`. */
  readonly colour: string;
  /** One of each step; null: nothing to say. */
  readonly values: readonly (number | null)[];
  /** Filled down to zero. */
  readonly filled?: boolean;
  readonly dashed?: boolean;
}

export interface ChartProps {
  readonly title: string;
  /** Of the first step, in milliseconds; the others follow each after `stepSeconds`. */
  readonly startedAtMs: number;
  readonly stepSeconds: number;
  readonly series: readonly ChartSeries[];
  readonly format: (value: number) => string;
  readonly zone: Zone;
  /** A span was dragged, in milliseconds. */
  readonly onSelect?: (fromMs: number, toMs: number) => void;
}

const height = 132;

export function Chart(props: ChartProps) {
  const { title, startedAtMs, stepSeconds, series, format, zone } = props;
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const scheme = useShownScheme();
  const shape = `${series.map(({ name, colour }) => name + colour).join()} ${scheme} ${zone}`;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a plot is made anew when its lines, colours or zone change, not when its numbers do
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const made = new uPlot(optionsOf(latest, element.clientWidth), dataOf(latest.current), element);
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: Math.max(120, element.clientWidth), height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above
  useEffect(() => plot.current?.setData(dataOf(latest.current)), [series, startedAtMs, stepSeconds]);

  const steps = Array.from({ length: series[0]?.values.length ?? 0 }, (_, step) => step);
  return (
    <figure className={styles.figure}>
      <figcaption className={styles.caption}>
        <span className={styles.title}>{title}</span>
        {series.map(({ name, colour }) => (
          <span key={name} className={styles.key}>
            <svg width="10" height="10" aria-hidden="true">
              <rect width="10" height="10" rx="2" fill={`var(${colour})`} />
            </svg>
            {name}
          </span>
        ))}
      </figcaption>
      <div ref={frame} className={styles.plot} aria-hidden="true" />
      {series.every(({ values }) => values.every((value) => value === null)) && <p className={styles.none}>Nothing was measured in this window.</p>}
      <details className={styles.table}>
        <summary>{title} as a table</summary>
        <div className={styles.scroll}>
          <table>
            <thead>
              <tr>
                <th scope="col">from</th>
                {series.map(({ name }) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {steps.toReversed().map((step) => (
                <tr key={step}>
                  <th scope="row">{formatInstantInFull(startedAtMs + step * stepSeconds * 1_000, zone)}</th>
                  {series.map(({ name, values }) => {
                    const value = values[step] ?? null;
                    return <td key={name}>{value === null ? '–' : format(value)}</td>;
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

function dataOf({ startedAtMs, stepSeconds, series }: ChartProps): uPlot.AlignedData {
  const times = Array.from({ length: series[0]?.values.length ?? 0 }, (_, step) => startedAtMs / 1_000 + step * stepSeconds);
  return [times, ...series.map(({ values }) => [...values])];
}

/** Steps with a value between steps without: a line alone would not show them. */
function lonely(values: readonly (number | null | undefined)[]): number[] {
  return values.flatMap((value, at) => (value != null && values[at - 1] == null && values[at + 1] == null ? [at] : []));
}

/** `14:02`, or the day where steps are days. */
function axisTime(seconds: number, step: number, zone: Zone): string {
  const text = formatInstantInFull(seconds * 1_000, zone);
  return step >= 86_400 ? text.slice(5, 10) : text.slice(11, 16);
}

function optionsOf(latest: { readonly current: ChartProps }, width: number): uPlot.Options {
  const page = getComputedStyle(document.documentElement);
  const colour = (name: string): string => page.getPropertyValue(name).trim();
  const font = `11px ${colour('--font')}`;
  const axis: uPlot.Axis = { stroke: colour('--ink-3'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font };
  return {
    width: Math.max(120, width),
    height,
    legend: { show: false },
    padding: [8, 18, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: latest.current.onSelect !== undefined, y: false, setScale: false } },
    tzDate: (seconds) => (latest.current.zone === 'utc' ? uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC') : new Date(seconds * 1_000)),
    scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      { ...axis, size: 24, space: 70, values: (_, times, __, ___, step) => times.map((time) => axisTime(time, step, latest.current.zone)) },
      { ...axis, size: 62, values: (_, values) => values.map((value) => latest.current.format(value)) },
    ],
    series: [
      {},
      ...latest.current.series.map(({ name, colour: property, filled = false, dashed = false }) => ({
        label: name,
        stroke: colour(property),
        width: 1.5,
        points: { show: true, size: 5, fill: colour(property), filter: (chart: uPlot, at: number) => lonely(Array.from(chart.data[at] ?? [])) },
        ...(filled ? { fill: `color-mix(in srgb, ${colour(property)} 22%, transparent)` } : {}),
        ...(dashed ? { dash: [4, 3] } : {}),
      })),
    ],
    hooks: {
      setSelect: [
        (chart) => {
          if (chart.select.width < 4) return;
          const [from, to] = [chart.posToVal(chart.select.left, 'x'), chart.posToVal(chart.select.left + chart.select.width, 'x')];
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.onSelect?.(from * 1_000, to * 1_000);
        },
      ],
    },
  };
}
