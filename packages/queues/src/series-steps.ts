/** The steps of time that charts are made of. Two lengths, kept for so long that a chart of any window has a few hundred points; a busy tenant takes about 1 MB. */

export interface SeriesKind {
  readonly name: 'f' | 'c';
  readonly stepMs: number;
  readonly keepSeconds: number;
}

/** An hour in steps of ten seconds, a week in steps of five minutes; each a little longer, so that the oldest step of a window is whole. */
export const seriesKinds = [
  { name: 'f', stepMs: 10_000, keepSeconds: 4_200 },
  { name: 'c', stepMs: 300_000, keepSeconds: 7 * 86_400 + 3_600 },
] as const satisfies readonly SeriesKind[];

/** Waits are counted by the logarithm to this base of their milliseconds: a percentile is right within an eighth. */
export const waitBase = 1.25;
