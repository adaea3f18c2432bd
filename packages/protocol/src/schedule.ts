/**
 * A recurring job: its spec, and which fires were dealt with. What is due is a pure function of the document and the time; each fire submits under a key made
 * of schedule and instant, so that two schedulers, or one that died in between, cannot fire twice.
 */
import { z } from 'zod';

import { type Cron, firesBetween, lastFire, nextFire, parseCron } from './cron.ts';
import type { ResolvedJobSpec } from './job-spec-shape.ts';
import { instant, jobIdShape } from './record-shapes.ts';

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Fires that `catchUp: all` makes up for at most. */
export const maxCaughtUp = 100;
/** Runs that the document remembers. */
export const maxScheduleRuns = 20;
/** A fire that is found later than this was missed: no scheduler ran. */
export const missedAfterMs = 60_000;

export const scheduleRunShape = z.object({
  at: instant,
  /** `waiting`: the last run is not over; `missed`: passed over by `catchUp`; `skipped`: by `overlap`; `failed`: the job was not accepted. */
  outcome: z.enum(['fired', 'waiting', 'missed', 'skipped', 'failed']),
  jobId: jobIdShape.nullable(),
  code: z.string().nullable(),
  message: z.string().nullable(),
});
export type ScheduleRun = z.output<typeof scheduleRunShape>;

export const scheduleShape = z.object({
  tenant: z.string(),
  name: z.string(),
  spec: z.custom<ResolvedJobSpec>(isObject, { error: 'expected a resolved job spec' }),
  paused: z.boolean(),
  /** Fires at or before it were dealt with. */
  doneUntil: instant,
  /** Newest first. */
  runs: z.array(scheduleRunShape).max(maxScheduleRuns),
});
export type Schedule = z.output<typeof scheduleShape>;

/** What a schedule does now. `doneUntil` goes into the document with the runs that come of it. */
export interface DueFires {
  /** To be submitted, the oldest first. */
  readonly fire: readonly number[];
  /** Passed over. */
  readonly missed: number | null;
  readonly doneUntil: number;
}

/** Null: nothing is due. */
export function dueFires(schedule: Pick<Schedule, 'spec' | 'paused' | 'doneUntil'>, nowMs: number): DueFires | null {
  const asked = schedule.spec.schedule;
  if (asked === null || schedule.paused || asked.paused) return null;
  const cron = parseCron(asked.cron);
  // A fire at `startAt` itself is one.
  const sinceMs = Math.max(Date.parse(schedule.doneUntil), asked.startAt === null ? 0 : Date.parse(asked.startAt) - 1);
  const untilMs = Math.min(nowMs, asked.endAt === null ? nowMs : Date.parse(asked.endAt));
  const newest = sinceMs < untilMs ? lastFire(cron, asked.timezone, sinceMs, untilMs) : null;
  if (newest === null) return null;
  const isLate = nowMs - newest > missedAfterMs;
  if (asked.catchUp === 'none' && isLate) return { fire: [], missed: newest, doneUntil: newest };
  if (asked.catchUp !== 'all') return { fire: [newest], missed: null, doneUntil: newest };
  const all = newestFires(cron, asked.timezone, sinceMs, newest);
  return { fire: all, missed: null, doneUntil: newest };
}

/** At most the newest hundred. */
function newestFires(cron: Cron, timezone: string, sinceMs: number, untilMs: number): number[] {
  // Windows of a hundred from the end back: the first listing that is not cut off holds them all.
  let from = sinceMs;
  for (;;) {
    const { fires, hasMore } = firesBetween(cron, timezone, from, untilMs, maxCaughtUp * 100);
    if (!hasMore) return fires.slice(-maxCaughtUp);
    from = fires.at(-1) ?? untilMs;
  }
}

/** The next fires, for people. */
export function upcomingFires({ spec, doneUntil, paused }: Pick<Schedule, 'spec' | 'paused' | 'doneUntil'>, nowMs: number, count: number): string[] {
  const asked = spec.schedule;
  if (asked === null || paused || asked.paused) return [];
  const cron = parseCron(asked.cron);
  const fires: string[] = [];
  let at: number | null = Math.max(nowMs, Date.parse(doneUntil), asked.startAt === null ? 0 : Date.parse(asked.startAt) - 1);
  while (fires.length < count) {
    at = nextFire(cron, asked.timezone, at);
    if (at === null || (asked.endAt !== null && at > Date.parse(asked.endAt))) break;
    fires.push(new Date(at).toISOString());
  }
  return fires;
}

/** The idempotency key of a fire. */
export const fireKey = (name: string, atMs: number): string => `schedule:${name}@${new Date(atMs).toISOString()}`;

/** The spec of one run: a job of its own, that does not recur. */
export const specOfRun = (spec: ResolvedJobSpec): ResolvedJobSpec => ({ ...spec, schedule: null });
