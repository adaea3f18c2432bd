/**
 * When a schedule fires: five cron fields in a time zone. Pure. Each local time that matches fires once: one that a clock change skips fires at the first
 * instant behind the gap, one that repeats fires the first time. (Libraries that were looked at lose a day whose midnight is skipped.)
 */

/** Minutes, hours, days of the month, months, days of the week (Sunday 0), each as the values that match. */
export interface Cron {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Both kinds of day were restricted: then one that matches suffices, as in every cron. */
  readonly eitherDay: boolean;
}

export class CronError extends Error {
  override readonly name = 'CronError';
}

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields: readonly [Field, Field, Field, Field, Field] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of the month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: months },
  { name: 'day of the week', min: 0, max: 7, names: weekdays },
];

/** Throws `CronError` naming the field. */
export function parseCron(text: string): Cron {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== 5) throw new CronError(`expected five fields (minute hour day month weekday), got ${parts[0] === '' ? 0 : parts.length}`);
  const [minutes, hours, days, monthValues, weekdayValues] = fields.map((field, at) => valuesOf(parts[at] ?? '', field)) as [
    number[],
    number[],
    number[],
    number[],
    number[],
  ];
  const cron: Cron = {
    minutes,
    hours,
    days: new Set(days),
    months: new Set(monthValues),
    // Sunday is 0 and 7.
    weekdays: new Set(weekdayValues.map((day) => day % 7)),
    eitherDay: !parts[2]?.startsWith('*') && !parts[4]?.startsWith('*'),
  };
  if (!canFire(cron)) throw new CronError(`expected a day that there is, got day ${parts[2]} of month ${parts[3]}`);
  return cron;
}

function valuesOf(text: string, field: Field): number[] {
  const values = new Set<number>();
  for (const piece of text.split(',')) {
    const match = /^(\*|[0-9a-z]+(?:-[0-9a-z]+)?)(?:\/(\d+))?$/i.exec(piece);
    if (!match) throw new CronError(`${field.name}: expected *, a value, a range or a step such as */15, got ${JSON.stringify(piece)}`);
    const [, range = '', stepText] = match;
    const step = stepText === undefined ? 1 : Number(stepText);
    if (step < 1 || step > field.max) throw new CronError(`${field.name}: expected a step from 1 to ${field.max}, got ${stepText}`);
    const [from, to] = boundsOf(range, field, stepText !== undefined);
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

/** A single value with a step goes on to the end of the field. */
function boundsOf(range: string, field: Field, hasStep: boolean): [from: number, to: number] {
  if (range === '*') return [field.min, field.name === 'day of the week' ? 6 : field.max];
  const [first = '', last] = range.split('-');
  const from = valueIn(first, field);
  const to = last === undefined ? (hasStep ? field.max : from) : valueIn(last, field);
  if (to < from) throw new CronError(`${field.name}: expected a range that ascends, got ${range}`);
  return [from, to];
}

function valueIn(text: string, { name, min, max, names }: Field): number {
  const named = names?.indexOf(text.toLowerCase()) ?? -1;
  const value = named >= 0 ? named + (name === 'month' ? 1 : 0) : /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new CronError(`${name}: expected ${min} to ${max}${names ? ` or a name such as ${names[0]}` : ''}, got ${JSON.stringify(text)}`);
}

const longestMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function canFire({ days, months: of, eitherDay }: Cron): boolean {
  return eitherDay || [...of].some((month) => [...days].some((day) => day <= (longestMonths[month - 1] ?? 0)));
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** 29 February may be eight years away, over the turn of a century. */
const searchedDays = 9 * 366;

/** The first fire behind an instant (ms since 1970), or null when there is none for years. */
export function nextFire(cron: Cron, timezone: string, afterMs: number): number | null {
  const next = firesBehind(cron, timezone, afterMs).next();
  return next.done ? null : next.value;
}

/** All fires in (after, until], the oldest first, at most `limit`; `hasMore` when there would be others. */
export function firesBetween(cron: Cron, timezone: string, afterMs: number, untilMs: number, limit: number): { fires: number[]; hasMore: boolean } {
  const fires: number[] = [];
  for (const at of firesBehind(cron, timezone, afterMs)) {
    if (at > untilMs) break;
    if (fires.length >= limit) return { fires, hasMore: true };
    fires.push(at);
  }
  return { fires, hasMore: false };
}

function* firesBehind(cron: Cron, timezone: string, afterMs: number): Generator<number> {
  const zone = zoneOf(timezone);
  // A day before: a fire of yesterday's last hours may lie behind a clock change.
  const firstDay = Math.floor((afterMs + zone.offsetMs(afterMs)) / dayMs) - 1;
  let last = afterMs;
  for (let day = firstDay; day < firstDay + searchedDays; day += 1) {
    if (!matchesDay(cron, day)) continue;
    for (const instant of firesOfDay(cron, day, zone)) {
      if (instant <= last) continue;
      last = instant;
      yield instant;
    }
  }
}

/** The newest fire at or before an instant, not before `sinceMs`. */
export function lastFire(cron: Cron, timezone: string, sinceMs: number, untilMs: number): number | null {
  // Backwards by windows that grow: one that fires each minute is found at once, a yearly one in a few steps.
  for (let width = 3_600_000; ; width *= 8) {
    const from = Math.max(sinceMs, untilMs - width);
    let last: number | null = null;
    for (const at of firesBehind(cron, timezone, from)) {
      if (at > untilMs) break;
      last = at;
    }
    if (last !== null || from === sinceMs) return last;
  }
}

function matchesDay(cron: Cron, day: number): boolean {
  const date = new Date(day * dayMs);
  if (!cron.months.has(date.getUTCMonth() + 1)) return false;
  const byDate = cron.days.has(date.getUTCDate());
  const byWeekday = cron.weekdays.has(date.getUTCDay());
  return cron.eitherDay ? byDate || byWeekday : byDate && byWeekday;
}

/** In ascending order, each once. */
function firesOfDay(cron: Cron, day: number, zone: Zone): number[] {
  const fires = new Set<number>();
  // Formatting an instant in a time zone is slow: on a day without a clock change near it, it is done twice.
  const steady = zone.steadyOffsetMs(day * dayMs);
  for (const hour of cron.hours) {
    for (const minute of cron.minutes) {
      const local = day * dayMs + (hour * 60 + minute) * minuteMs;
      fires.add(steady === null ? zone.instantOf(local) : local - steady);
    }
  }
  return [...fires].sort((a, b) => a - b);
}

interface Zone {
  /** Local time minus UTC at an instant. */
  offsetMs(instant: number): number;
  /** The offset of all of a local day, and null where a clock change is near it. */
  steadyOffsetMs(day: number): number | null;
  /** The first instant at which the clock shows this local time (as if it were UTC), or has passed it. */
  instantOf(local: number): number;
}

const zones = new Map<string, Zone>();

function zoneOf(timezone: string): Zone {
  const known = zones.get(timezone);
  if (known !== undefined) return known;
  const zone = timezone === 'UTC' ? { offsetMs: () => 0, steadyOffsetMs: () => 0, instantOf: (local: number) => local } : clockOf(timezone);
  zones.set(timezone, zone);
  return zone;
}

function clockOf(timezone: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
    era: 'short',
  });
  const offsetMs = (instant: number): number => {
    const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]));
    const part = (name: string): number => Number(parts[name]);
    const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
    return local - Math.floor(instant / 1_000) * 1_000;
  };
  const instantOf = (local: number): number => {
    // The offsets a day before and after bound every change that can concern this local time.
    const [before, after] = [offsetMs(local - dayMs), offsetMs(local + dayMs)];
    const candidates = [local - before, local - after].filter((instant) => offsetMs(instant) === local - instant);
    if (candidates.length > 0) return Math.min(...candidates);
    return firstBehind(local, local - Math.max(before, after), local - Math.min(before, after), offsetMs);
  };
  const steadyOffsetMs = (day: number): number | null => {
    const before = offsetMs(day - dayMs);
    return before === offsetMs(day + 2 * dayMs) ? before : null;
  };
  return { offsetMs, steadyOffsetMs, instantOf };
}

/** The clock jumps over this local time between two instants: the instant of the jump, by halving. Changes come on whole seconds. */
function firstBehind(local: number, from: number, to: number, offsetMs: (instant: number) => number): number {
  let [low, high] = [Math.floor(from / 1_000) - 1, Math.ceil(to / 1_000)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (middle * 1_000 + offsetMs(middle * 1_000) >= local) high = middle;
    else low = middle;
  }
  return high * 1_000;
}
