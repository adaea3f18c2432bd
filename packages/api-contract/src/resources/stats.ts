/** Numbers of the overview, series for charts, and what an autoscaler asks. */
import { jobStates, operationStates } from '@millrace/protocol/browser';
import { z } from 'zod';
import { defineRoute } from '../route.ts';
import { bytes, count, instant, plainName } from '../shapes.ts';

const seconds = z.number().min(0);
const countsOf = <T extends readonly [string, ...string[]]>(names: T) =>
  z.strictObject(Object.fromEntries(names.map((name) => [name, count])) as { [Name in T[number]]: typeof count });

export const bandShape = z.enum(['interactive', 'normal', 'bulk']);
export const limitedByShape = z.enum(['target', 'inHand', 'minPods', 'maxPods', 'maxSlots', 'idle']);

export const scalingShape = z
  .strictObject({
    pool: plainName,
    coreVersion: z.string().nullable(),
    resultVersion: count,
    podsWanted: count,
    limitedBy: limitedByShape,
    /** Since the leading scheduler computed it. */
    ageMs: count,
    slotsWanted: count,
    slotsPerPod: z.int().min(1),
    /** Attempts on hosts that are not draining. */
    inHand: count,
    minPods: count,
    maxPods: count,
    maxSlots: count.nullable(),
    podsReady: count,
    podsDraining: count,
    bands: z.array(
      z.strictObject({
        band: bandShape,
        chunks: count,
        bytes,
        workSeconds: seconds,
        targetSeconds: seconds,
        heldBeyondTarget: count,
        slots: count,
      }),
    ),
    notCounted: z.strictObject({ paused: count, tenantLimit: count, circuitOpen: count, notDue: count, noHostForVersion: count }),
    /** What changed lately, newest first, at most twenty. */
    decisions: z.array(
      z.strictObject({ at: instant, podsWanted: count, slotsWanted: count, inHand: count, podsReady: count, limitedBy: limitedByShape, workSeconds: seconds }),
    ),
  })
  .meta({ id: 'Scaling' });
export type ScalingView = z.output<typeof scalingShape>;

export const throughputWindows = ['15m', '1h', '6h', '24h', '7d'] as const;
const counts = z.array(count);
/** Null: nothing was claimed in that step. */
const waits = z.array(z.number().min(0).nullable());

export const throughputShape = z
  .strictObject({
    window: z.enum(throughputWindows),
    /** Of the first step; the others follow each after `stepSeconds`. The last one is not over. */
    startedAt: instant,
    stepSeconds: z.int().min(1),
    steps: count,
    /** Sums of each step, not rates: inflated bytes read and bytes written by committed chunks. */
    bytesIn: counts,
    bytesOut: counts,
    records: z.strictObject({ emitted: counts, filtered: counts, deduplicated: counts, rejected: counts }),
    attempts: z.strictObject({ committed: counts, failed: counts, lost: counts, released: counts }),
    dead: counts,
    /** Milliseconds from dispatch to claim, within a fifth. */
    waitP50Ms: waits,
    waitP95Ms: waits,
  })
  .meta({ id: 'Throughput' });
export type ThroughputView = z.output<typeof throughputShape>;

export const needKinds = [
  'errorsRegressed',
  'errorsNew',
  'deadLetters',
  'jobsFailed',
  'operationPaused',
  'queuePaused',
  'nothingConsumes',
  'noHostForVersion',
  'circuitOpen',
  'scheduleFailed',
  'rejectsOpen',
] as const;

export const overviewShape = z
  .strictObject({
    asOf: instant,
    /** While the ledger is read anew from the journal the counts below are not complete. */
    rebuilding: z.boolean(),
    /** No job was ever accepted here. */
    isFirstRun: z.boolean(),
    errorGroups: z.strictObject({
      open: count,
      regressed: count,
      ignored: count,
      /** First seen since `newSince`. */
      new: count,
      newSince: instant,
    }),
    deadLetters: z.strictObject({ open: count, oldestAt: instant.nullable() }),
    /** Rejects of jobs of the last day that nobody has replayed or waived. */
    rejects: z.strictObject({ open: count }),
    oldestWaiting: z.strictObject({ queue: z.string(), enqueuedAt: instant, seconds }).nullable(),
    hosts: z.strictObject({
      ready: count,
      draining: count,
      /** Null: no scheduler said so lately. */
      wanted: count.nullable(),
      slots: count,
      busy: count,
    }),
    pools: z.array(z.strictObject({ pool: plainName, ready: count, draining: count, wanted: count.nullable(), limitedBy: limitedByShape.nullable() })),
    /** Jobs that are not terminal, and those that ended within the last day. */
    jobs: countsOf(jobStates),
    chunks: z.strictObject({ pending: count, queued: count, running: count, retrying: count, dead: count }),
    operations: z.partialRecord(z.enum(operationStates), count),
    /** Over the last minute. */
    bytesPerSecond: z.number().min(0),
    recordsPerSecond: z.number().min(0),
    waitP95Ms: z.number().min(0).nullable(),
    /** What asks for a person, the most urgent first. */
    needsYou: z.array(
      z.strictObject({
        kind: z.enum(needKinds),
        count,
        /** One sentence. */
        message: z.string(),
        since: instant.nullable(),
        /** Of the one thing that it is about: an operation, a queue, a schedule, a pool, a store. */
        id: z.string().nullable(),
      }),
    ),
    /** Since when `needsYou` has been empty, as far as this server has seen; null while it is not. */
    quietSince: instant.nullable(),
  })
  .meta({ id: 'Overview' });
export type Overview = z.output<typeof overviewShape>;

export const statsRoutes = [
  defineRoute({
    method: 'GET',
    path: '/stats/overview',
    operationId: 'readOverview',
    summary: 'What needs a person, and how the installation stands',
    role: 'viewer',
    query: z.strictObject({
      /** Error groups first seen since then are new; three days ago when absent. */
      since: instant.optional(),
    }),
    answers: { 200: overviewShape },
    errors: ['REBUILDING'],
  }),
  defineRoute({
    method: 'GET',
    path: '/stats/throughput',
    operationId: 'readThroughput',
    summary: 'Bytes, records by fate, attempts by outcome and waiting times over a window of time',
    role: 'viewer',
    query: z.strictObject({ window: z.enum(throughputWindows).prefault('1h') }),
    answers: { 200: throughputShape },
    errors: [],
  }),
  defineRoute({
    method: 'GET',
    path: '/stats/scaling',
    operationId: 'readScaling',
    summary: 'How many hosts a pool wants, with every term of the rule; for autoscalers',
    role: 'viewer',
    scope: 'stats:read',
    query: z.strictObject({ pool: plainName }),
    answers: { 200: scalingShape },
    errors: ['POOL_UNKNOWN', 'REBUILDING'],
  }),
] as const;
