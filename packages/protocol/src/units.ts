/** Sizes and durations as people write them. Pure. */

const sizes: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const durations: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `64MiB` → bytes; null for anything else. Units are B, KiB, MiB, GiB. */
export function parseSize(written: string): number | null {
  return parseMeasure(written, sizes);
}

/** `90s` → milliseconds; null for anything else. Units are ms, s, m, h, d. */
export function parseDuration(written: string): number | null {
  return parseMeasure(written, durations);
}

/** 67108864 → `64MiB`: in the largest unit that it is a whole number of. */
export const sizeText = (bytes: number): string => measureText(bytes, sizes);

/** 90000 → `90s`: in the largest unit that it is a whole number of. */
export const durationText = (ms: number): string => measureText(ms, durations);

function measureText(value: number, units: Readonly<Record<string, number>>): string {
  const [unit, one] = Object.entries(units).findLast(([, size]) => value % size === 0 && value >= size) ?? ['', 1];
  return `${value / one}${unit}`;
}

function parseMeasure(written: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d{1,15})([A-Za-z]+)$/.exec(written);
  const unit = match && units[match[2] ?? ''];
  if (!match || unit === undefined || unit === null) return null;
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : null;
}
