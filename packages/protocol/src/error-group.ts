/** An error group: failures of one cause over all jobs of a tenant, and what people decided about it. Pure. */
import { type FilterItem, matchesFilter, parseFilter } from './filter.ts';
import type { JobId } from './ids.ts';
import { groupFields } from './letter-filter.ts';
import { type GroupState, groupState, type Triage } from './triage.ts';

/** Failures of one cause in one job, as the ledger or the journal has them. */
export interface GroupOfJob {
  readonly jobId: JobId;
  readonly name: string;
  readonly fingerprint: string;
  readonly code: string;
  readonly class: string;
  readonly message: string;
  readonly failures: number;
  readonly dead: number;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** Attempts by hour of UTC, such as `2026-11-23T10`. */
  readonly activity: Readonly<Record<string, number>>;
  readonly samples: readonly string[];
  readonly places: readonly { readonly uri: string; readonly start: number; readonly end: number }[];
}

export interface ErrorGroup {
  readonly fingerprint: string;
  readonly state: GroupState;
  readonly code: string;
  readonly class: string;
  /** The newest. */
  readonly message: string;
  /** Attempts that failed so, and dead letters that are open. */
  readonly failures: number;
  readonly dead: number;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** Attempts by hour, oldest first: the newest hours that have some. */
  readonly activity: readonly { readonly hour: string; readonly failures: number }[];
  /** Those with most failures first. */
  readonly jobs: readonly { readonly jobId: JobId; readonly name: string; readonly failures: number; readonly dead: number }[];
  /** Of the newest failures, newest first. */
  readonly places: GroupOfJob['places'];
  readonly samples: readonly string[];
  readonly triage: Triage | null;
  /** Version of the triage, for a change that must see it; 0 when there is none. */
  readonly version: number;
}

const shown = 20;
export const shownHours = 48;

export interface TriageVersion {
  readonly triage: Triage;
  readonly version: number;
}

/** One group for each fingerprint, the newest first. */
export function errorGroups(parts: readonly GroupOfJob[], triages: ReadonlyMap<string, TriageVersion>, nowMs: number): ErrorGroup[] {
  const byFingerprint = Map.groupBy(parts, ({ fingerprint }) => fingerprint);
  const groups = [...byFingerprint].map(([fingerprint, some]) => groupOf(fingerprint, some, triages.get(fingerprint) ?? null, nowMs));
  return groups.sort((a, b) => (a.lastSeenAt < b.lastSeenAt ? 1 : a.lastSeenAt > b.lastSeenAt ? -1 : a.fingerprint < b.fingerprint ? -1 : 1));
}

function groupOf(fingerprint: string, parts: readonly GroupOfJob[], triaged: TriageVersion | null, nowMs: number): ErrorGroup {
  const newestFirst = [...parts].sort((a, b) => (a.lastSeenAt < b.lastSeenAt ? 1 : -1));
  const newest = newestFirst[0];
  if (newest === undefined) throw new TypeError('cannot make an error group of nothing');
  const failures = parts.reduce((sum, part) => sum + part.failures, 0);
  const jobs = [...parts].sort((a, b) => b.failures - a.failures).map(({ jobId, name, failures: own, dead }) => ({ jobId, name, failures: own, dead }));
  const { code, class: failureClass, message, lastSeenAt } = newest;
  return {
    fingerprint,
    state: groupState(triaged?.triage ?? null, { failures, lastSeenAt }, nowMs),
    code,
    class: failureClass,
    message,
    failures,
    dead: parts.reduce((sum, part) => sum + part.dead, 0),
    firstSeenAt: parts.map((part) => part.firstSeenAt).sort()[0] ?? newest.firstSeenAt,
    lastSeenAt,
    activity: activityOf(parts),
    jobs: jobs.slice(0, shown),
    places: newestFirst.flatMap(({ places }) => places).slice(0, shown),
    samples: newestFirst.flatMap(({ samples }) => samples).slice(0, shown),
    triage: triaged?.triage ?? null,
    version: triaged?.version ?? 0,
  };
}

function activityOf(parts: readonly GroupOfJob[]): ErrorGroup['activity'] {
  const hours = new Map<string, number>();
  for (const { activity } of parts) for (const [hour, failures] of Object.entries(activity)) hours.set(hour, (hours.get(hour) ?? 0) + failures);
  const inOrder = [...hours].sort(([a], [b]) => (a < b ? -1 : 1)).slice(-shownHours);
  return inOrder.map(([hour, failures]) => ({ hour, failures }));
}

/** Those that the filter holds for. Throws `FilterError`. */
export function filterGroups(groups: readonly ErrorGroup[], text: string, nowMs: number): ErrorGroup[] {
  const filter = parseFilter(text, groupFields);
  return groups.filter((group) => matchesFilter(filter, groupItem(group), nowMs));
}

function groupItem(group: ErrorGroup): FilterItem {
  const { fingerprint, code, message, jobs, places, lastSeenAt, firstSeenAt, failures, dead } = group;
  return {
    id: fingerprint,
    fingerprint,
    code,
    class: group.class,
    state: group.state,
    job: jobs.map(({ jobId }) => jobId),
    name: jobs.map(({ name }) => name),
    file: places.flatMap(({ uri }) => [uri, uri.slice(uri.lastIndexOf('/') + 1)]),
    age: lastSeenAt,
    created: firstSeenAt,
    failures,
    dead,
    words: [fingerprint, code, message, ...jobs.map(({ name }) => name)],
  };
}

/** The failures of a job as groups: what the ledger counts live, from the records themselves. Newest samples and places, five of each. */
export function foldFailures(
  job: { readonly jobId: JobId; readonly name: string },
  failures: Iterable<{
    readonly fingerprint: string;
    readonly code: string;
    readonly class: string;
    readonly message: string;
    readonly at: string;
    readonly sample: string;
    readonly place: GroupOfJob['places'][number] | null;
    /** A dead letter is no failure of its own. */
    readonly isLetter: boolean;
  }>,
): GroupOfJob[] {
  const groups = new Map<string, GroupOfJob>();
  for (const { fingerprint, at, sample, place, isLetter, ...what } of failures) {
    const known = groups.get(fingerprint);
    const isNewest = known === undefined || at >= known.lastSeenAt;
    const hour = at.slice(0, 13);
    groups.set(fingerprint, {
      ...job,
      fingerprint,
      code: what.code,
      class: what.class,
      message: isNewest ? what.message : known.message,
      failures: (known?.failures ?? 0) + (isLetter ? 0 : 1),
      dead: (known?.dead ?? 0) + (isLetter ? 1 : 0),
      firstSeenAt: known === undefined || at < known.firstSeenAt ? at : known.firstSeenAt,
      lastSeenAt: isNewest ? at : known.lastSeenAt,
      activity: isLetter ? (known?.activity ?? {}) : { ...known?.activity, [hour]: (known?.activity[hour] ?? 0) + 1 },
      samples: [sample, ...(known?.samples ?? [])].slice(0, 5),
      places: (place === null ? [] : [place]).concat(known?.places ?? []).slice(0, 5),
    });
  }
  return [...groups.values()];
}
