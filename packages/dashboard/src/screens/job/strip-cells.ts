/** The file strip as numbers: which cells are shown at a zoom, and what lies under the pointer. Pure. */
import type { StripCell } from '@millrace/api-contract';

/** What of the strip is shown, in its own unit; the end is exclusive. */
export interface StripView {
  readonly start: number;
  readonly end: number;
}

export interface DrawnCell {
  readonly x: number;
  readonly width: number;
  readonly cell: StripCell;
}

export const wholeView = (length: number): StripView => ({ start: 0, end: Math.max(1, length) });

/** Cells that are in view, in pixels, rounded so that neighbours touch; none is thinner than a pixel, so a thin one may lie over the next. */
export function drawnCells(cells: readonly StripCell[], view: StripView, width: number): DrawnCell[] {
  const scale = width / (view.end - view.start);
  return cells
    .filter(({ start, end }) => end > view.start && start < view.end)
    .map((cell) => {
      const x = Math.round((Math.max(cell.start, view.start) - view.start) * scale);
      const right = Math.round((Math.min(cell.end, view.end) - view.start) * scale);
      return { x, width: Math.max(1, right - x), cell };
    });
}

export function offsetAt(x: number, view: StripView, width: number): number {
  return view.start + (Math.max(0, Math.min(x, width)) / width) * (view.end - view.start);
}

export function cellAt(cells: readonly StripCell[], offset: number): StripCell | null {
  return cells.find(({ start, end }) => start <= offset && offset < end) ?? null;
}

const leastCells = 8;

/** Zooms around an offset, `factor` below 1 in; never out of the whole, never deeper than a few cells. */
export function zoomed(view: StripView, around: number, factor: number, length: number, cellCount: number): StripView {
  const least = Math.max(1, (length / Math.max(1, cellCount)) * leastCells);
  const span = Math.max(Math.min(least, length), Math.min(length, (view.end - view.start) * factor));
  const share = (around - view.start) / (view.end - view.start);
  const start = Math.max(0, Math.min(length - span, around - share * span));
  return { start, end: start + span };
}

/** Moves the view by a share of itself. */
export function panned(view: StripView, share: number, length: number): StripView {
  const span = view.end - view.start;
  const start = Math.max(0, Math.min(length - span, view.start + share * span));
  return { start, end: start + span };
}
