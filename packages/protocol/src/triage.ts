/** What people decided about an error group, and the state that follows from it and from what has happened since. Pure. */
import { z } from 'zod';

import { count, instant } from './record-shapes.ts';

export const triageShape = z.object({
  tenant: z.string(),
  fingerprint: z.string(),
  state: z.enum(['open', 'resolved', 'ignored']),
  /** When it was decided: what is seen later counts against `resolved`. */
  at: instant,
  /** Of `ignored`: until then, or until so many failures; null: for good. */
  until: z.object({ at: instant.nullable(), failures: count.nullable() }).nullable(),
  note: z.string(),
  /** Who decided it. */
  by: z.string().default(''),
  /** Who looks after the group; null: nobody. */
  owner: z.string().nullable().default(null),
  /** Oldest first, at most `maxTriageNotes`: the oldest goes. */
  notes: z.array(z.object({ at: instant, by: z.string(), text: z.string() })).default([]),
});
export const maxTriageNotes = 100;
export type Triage = z.output<typeof triageShape>;

export const groupStates = ['open', 'resolved', 'ignored', 'regressed'] as const;
export type GroupState = (typeof groupStates)[number];

/** How often a group was seen, and when last. */
export interface GroupSightings {
  readonly failures: number;
  readonly lastSeenAt: string;
}

/** Nothing decided is `open`; a resolved group that is seen again has `regressed`; ignoring ends with its time or its count. */
export function groupState(triage: Triage | null, seen: GroupSightings, nowMs: number): GroupState {
  if (triage === null || triage.state === 'open') return 'open';
  if (triage.state === 'resolved') return Date.parse(seen.lastSeenAt) > Date.parse(triage.at) ? 'regressed' : 'resolved';
  const { until } = triage;
  if (until?.at != null && nowMs >= Date.parse(until.at)) return 'open';
  if (until?.failures != null && seen.failures >= until.failures) return 'open';
  return 'ignored';
}
