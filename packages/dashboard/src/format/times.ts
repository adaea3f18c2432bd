/** Instants as an operator reads them. Pure. */

export type Zone = 'utc' | 'local';

/** `14:02:11` of today, else `Nov 4 14:02`, with the year when it is another one; always of the zone that is switched on. */
export function formatInstant(atMs: number, zone: Zone, nowMs: number): string {
  if (!Number.isFinite(atMs)) return '–';
  const [at, now] = [partsOf(atMs, zone), partsOf(nowMs, zone)];
  if (at.day === now.day) return at.clock;
  const day = `${months[at.month - 1] ?? ''} ${at.date}`;
  return at.year === now.year ? `${day} ${at.clock.slice(0, 5)}` : `${day} ${at.year}`;
}

/** The whole instant, for titles and for reading aloud: `2026-11-04 14:02:11 UTC`, or with the offset of the place. */
export function formatInstantInFull(atMs: number, zone: Zone): string {
  if (!Number.isFinite(atMs)) return '–';
  const { day, clock, offset } = partsOf(atMs, zone);
  return `${day} ${clock} ${offset}`;
}

/** `42 s ago`, `3 h ago`, `in 5 m`; `now` within two seconds. */
export function formatAge(atMs: number, nowMs: number): string {
  if (!Number.isFinite(atMs)) return '–';
  const apart = nowMs - atMs;
  const text = coarse(Math.abs(apart));
  if (Math.abs(apart) < 2_000) return 'now';
  return apart < 0 ? `in ${text}` : `${text} ago`;
}

/** One unit: what an age is worth reading. */
export function coarse(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

/** `00:42`, `12:07`, `1:02:03`: what is left until something happens; zero once it is past. */
export function formatCountdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

interface InstantParts {
  readonly year: number;
  readonly month: number;
  readonly date: number;
  readonly day: string;
  readonly clock: string;
  readonly offset: string;
}

function partsOf(atMs: number, zone: Zone): InstantParts {
  const shiftMinutes = zone === 'utc' ? 0 : -new Date(atMs).getTimezoneOffset();
  const iso = new Date(atMs + shiftMinutes * 60_000).toISOString();
  const day = iso.slice(0, 10);
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  const sign = shiftMinutes < 0 ? '−' : '+';
  const away = Math.abs(shiftMinutes);
  const offset = `${sign}${String(Math.floor(away / 60)).padStart(2, '0')}:${String(away % 60).padStart(2, '0')}`;
  return { year, month, date, day, clock: iso.slice(11, 19), offset: zone === 'utc' ? 'UTC' : offset };
}
