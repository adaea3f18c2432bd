/** Cron fields as a sentence: `15 2 * * 1-5` is *at 02:15, Monday to Friday*. Pure. */
import { CronError, parseCron } from '@millrace/protocol/browser';

const weekdayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const monthNames = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
/** More times of a day than these are told by their hours and minutes. */
const mostTimes = 6;

/** Null: these are no cron fields. */
export function cronWords(text: string): string | null {
  try {
    const { minutes, hours, days, months, weekdays, eitherDay } = parseCron(text);
    const ofDays = days.size === 31 ? null : `on ${days.size === 1 ? 'day' : 'days'} ${listed(ordered(days).map(String))} of the month`;
    const ofWeek =
      weekdays.size === 7
        ? null
        : runs(
            ordered(weekdays, (day) => (day + 6) % 7),
            weekdayNames,
          );
    const day = [ofDays, ofWeek].filter((words) => words !== null).join(eitherDay ? ' or ' : ', if it is ');
    const month =
      months.size === 12
        ? ''
        : `in ${runs(
            ordered(months).map((at) => at - 1),
            monthNames,
          )}`;
    const time = timeWords(minutes, hours);
    return [time, day === '' && month === '' && minutes.length * hours.length <= mostTimes ? 'every day' : day, month]
      .filter((words) => words !== '')
      .join(', ');
  } catch (error) {
    if (error instanceof CronError) return null;
    throw error;
  }
}

function timeWords(minutes: readonly number[], hours: readonly number[]): string {
  const [two, step] = [(value: number) => String(value).padStart(2, '0'), stepOf(minutes)];
  if (minutes.length * hours.length <= mostTimes) return `at ${listed(hours.flatMap((hour) => minutes.map((minute) => `${two(hour)}:${two(minute)}`)))}`;
  const often =
    step === null ? `at ${minutes.length === 1 ? 'minute' : 'minutes'} ${listed(minutes.map(String))}` : step === 1 ? 'every minute' : `every ${step} minutes`;
  const everyHours = stepOf(hours, 24);
  if (hours.length === 24) return step === null ? `${often} of every hour` : often;
  if (everyHours !== null) return `${often} of every ${everyHours}${everyHours === 2 ? 'nd' : everyHours === 3 ? 'rd' : 'th'} hour`;
  const [first = 0, last = 0] = [hours[0], hours.at(-1)];
  if (last - first === hours.length - 1) return `${often} from ${two(first)}:00 to ${two(last)}:59`;
  return `${often} of the hours ${listed(hours.map(two))}`;
}

/** The step of values that go evenly through the whole field from 0; null: they do not. */
function stepOf(values: readonly number[], size = 60): number | null {
  const step = size / values.length;
  return values.length > 1 && values.every((value, at) => value === at * step) ? step : null;
}

const ordered = (values: ReadonlySet<number>, rank: (value: number) => number = (value) => value): number[] => [...values].sort((a, b) => rank(a) - rank(b));

/** Three and more in a row are a range. */
function runs(values: readonly number[], names: readonly string[]): string {
  const groups: number[][] = [];
  for (const value of values) {
    const last = groups.at(-1);
    if (last !== undefined && value === ((last.at(-1) ?? 0) + 1) % names.length) last.push(value);
    else groups.push([value]);
  }
  const name = (value: number | undefined): string => names[value ?? 0] ?? '';
  return listed(groups.flatMap((group) => (group.length > 2 ? [`${name(group[0])} to ${name(group.at(-1))}`] : group.map(name))));
}

const listed = (texts: readonly string[]): string => (texts.length < 2 ? (texts[0] ?? '') : `${texts.slice(0, -1).join(', ')} and ${texts.at(-1)}`);
