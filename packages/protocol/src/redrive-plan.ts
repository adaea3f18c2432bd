/** A redrive as it is kept: the frozen plan with what it would do, its items, and the operation that carries it out. Documents of the registry. */
import { z } from 'zod';

import { count, counts, generationNumber, instant, jobIdShape } from './record-shapes.ts';

/** Items of one document of `registry/plan-items/`. */
export const maxPlanItems = 10_000;
/** Shown of a plan: what cannot be redriven, by id. */
export const maxShownCannot = 1_000;
export const planLifeMs = 15 * 60_000;
/** From so many items on an operation begins with a canary, unless its caller says otherwise. */
export const canaryAbove = 100;
export const defaultCanary = { count: 20, minResolved: 0.8 } as const;

export const redriveTargets = ['deadLetters', 'jobs'] as const;
export type RedriveTarget = (typeof redriveTargets)[number];
/** What a plan does with its items: runs dead letters or whole jobs again, replays rejects, or accepts what dead letters leave out. */
export const planTargets = [...redriveTargets, 'rejects', 'waiveDeadLetters'] as const;
export type PlanTarget = (typeof planTargets)[number];

/** Place in the resolved spec (`execution.maxAttempts`, `inputs.0.dialect.delimiter`) → value. `resultVersion` is one of them. */
export const overridesShape = z.record(z.string().min(1).max(200), z.unknown());
export type Overrides = z.output<typeof overridesShape>;

const planJobShape = z.object({
  jobId: jobIdShape,
  name: z.string(),
  state: z.string(),
  /** The one whose dead letters they are; the redrive opens the next. */
  generation: generationNumber,
  items: count,
});

const notice = z.object({ code: z.string(), message: z.string() });

export const redrivePlanShape = z.object({
  planId: z.string(),
  tenant: z.string(),
  target: z.enum(planTargets),
  /** Of rejects: the set of corrections that is replayed, of the one job of the plan. */
  correction: z.string().nullable().default(null),
  /** As it was understood; null when ids were given. */
  filter: z.string().nullable(),
  asOf: instant,
  expiresAt: instant,
  counts: z.object({ matched: count, willRedrive: count, resolvedSince: count, cannot: count }),
  bytesToRead: count,
  estimate: z.object({ requeueSeconds: count, workSeconds: count.nullable() }),
  /** Items a second when nobody says another: a fifth of what was measured of these jobs; null when nothing was. */
  rate: z.number().positive().nullable(),
  byCode: counts,
  jobs: z.array(planJobShape),
  reduceAgain: z.array(z.object({ jobId: jobIdShape, stage: z.string(), partitions: count })),
  warnings: z.array(notice),
  /** The first of them. */
  cannot: z.array(z.object({ id: z.string(), reason: z.string() })),
  overrides: overridesShape,
  /** What the overrides change in the spec of each job. */
  changes: z.array(z.object({ jobId: jobIdShape, pointer: z.string(), first: z.unknown(), now: z.unknown() })),
  /** What a start has to repeat. */
  confirm: count,
  /** Documents of `registry/plan-items/<planId>-<n>`. */
  itemDocuments: count,
});
export type RedrivePlan = z.output<typeof redrivePlanShape>;

/** Ids of dead letters, or of chunks without receipt with their generation behind them: `<jobId>.<stage>.<chunk>.<generation>`. Job by job, in order. */
export const planItemsShape = z.object({ planId: z.string(), first: count, items: z.array(z.string()) });
export type PlanItems = z.output<typeof planItemsShape>;

export const operationStates = ['pending', 'running', 'paused', 'finished', 'aborted', 'failed'] as const;
export type OperationState = (typeof operationStates)[number];
export const isOperationOver = (state: OperationState): boolean => state === 'finished' || state === 'aborted' || state === 'failed';

export const canaryShape = z.object({ count: count.min(1), minResolved: z.number().min(0).max(1) });
export type Canary = z.output<typeof canaryShape>;

export const itemCountsShape = z.object({ total: count, released: count, resolved: count, failedAgain: count, skipped: count });
/** `released` may run; `resolved`, `failedAgain` and `skipped` are outcomes, and a finished operation has one for each of `total`. */
export type ItemCounts = z.output<typeof itemCountsShape>;

export const operationShape = z.object({
  operationId: z.string(),
  planId: z.string(),
  tenant: z.string(),
  target: z.enum(planTargets).default('deadLetters'),
  correction: z.string().nullable().default(null),
  /** That of the plan. */
  filter: z.string().nullable().default(null),
  state: z.enum(operationStates),
  /** Why it stands still or ended otherwise than asked; null while it runs. */
  why: notice.nullable(),
  rate: z.number().positive().nullable(),
  canary: canaryShape.nullable(),
  /** Through: enough of the first were resolved, or somebody went on in spite of it. */
  canaryPassed: z.boolean(),
  overrides: overridesShape,
  reason: z.string(),
  by: z.string(),
  idempotencyKey: z.string().nullable(),
  startedAt: instant,
  endedAt: instant.nullable(),
  counts: itemCountsShape,
  /** The newest outcomes, `r` resolved and `f` failed again, at most fifty. */
  recent: z.string(),
  jobs: z.array(planJobShape.extend({ counts: itemCountsShape, /** Why this job was not taken. */ why: notice.nullable() })),
});
export type Operation = z.output<typeof operationShape>;
export type OperationJob = Operation['jobs'][number];
