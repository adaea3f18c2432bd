/** Bands of priorities: how soon the work of each should be through. Pure. */

/** The first is served first. */
export const bandOrder = ['interactive', 'normal', 'bulk'] as const;
export type Band = (typeof bandOrder)[number];

/** Seconds in which hosts enough for the work of a band would have done it. */
export const bandTargets: Readonly<Record<Band, number>> = { interactive: 10, normal: 120, bulk: 900 };

/** Of `execution.priority`, 0–9. */
export function bandOf(priority: number): Band {
  if (priority >= 7) return 'interactive';
  return priority >= 3 ? 'normal' : 'bulk';
}
