/** Numbers, sizes and durations as an operator reads them. Pure; the same in every locale, so that two people see the same text. */

/** 9204410 → `9,204,410`. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const [whole = '', fraction] = String(Math.abs(value)).split('.');
  const grouped = whole.replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',');
  return `${value < 0 ? '−' : ''}${grouped}${fraction === undefined ? '' : `.${fraction}`}`;
}

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Bytes in powers of ten, as file lists show them: 1932735283 → `1.9 GB`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return '–';
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 999.5 && unit < byteUnits.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${bytes < 0 ? '−' : ''}${value.toFixed(digits)} ${byteUnits[unit] ?? 'B'}`;
}

/** Two units at most: 42000 → `42 s`, 3720000 → `1 h 2 m`. Under a second in milliseconds. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  const total = Math.max(0, ms);
  if (total < 1_000) return `${Math.round(total)} ms`;
  if (total < 10_000) return `${(Math.floor(total / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(total / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, 'm', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return pair(hours, 'h', minutes % 60, 'm');
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

const pair = (large: number, largeUnit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;

/**
 * A share of 1 in percent. Never rounds to 0 % what is some, nor to 100 % what is not all: a page that says 100 % of a job with one dead chunk
 * would say what is not true.
 */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return '–';
  const share = part / whole;
  if (share > 0 && share < 0.001) return '<0.1 %';
  if (share < 1 && share > 0.999) return '>99.9 %';
  const percent = share * 100;
  return `${percent < 10 && !Number.isInteger(percent) ? percent.toFixed(1) : Math.round(Math.min(percent, percent < 100 ? 99 : percent))} %`;
}

/** `1 job`, `2 jobs`. */
export function formatNoun(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
