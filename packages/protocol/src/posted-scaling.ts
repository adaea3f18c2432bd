/** What the leading scheduler posts about a pool: the answer of `/v1/stats/scaling` but for its age and the decisions before it. Read back it is checked. */
import { z } from 'zod';
import { bandOrder } from './band.ts';

const count = z.int().min(0);
const seconds = z.number().min(0);

export const limitedByWords = ['target', 'inHand', 'minPods', 'maxPods', 'maxSlots', 'idle'] as const;
export type LimitedBy = (typeof limitedByWords)[number];
const limitedBy = z.enum(limitedByWords);

export const postedScalingShape = z.object({
  pool: z.string(),
  coreVersion: z.string().nullable(),
  resultVersion: count,
  podsWanted: count,
  limitedBy,
  slotsWanted: count,
  slotsPerPod: z.int().min(1),
  /** Attempts on hosts that are not draining. */
  inHand: count,
  minPods: count,
  maxPods: count,
  maxSlots: count.nullable(),
  podsReady: count,
  podsDraining: count,
  /** Chunk tasks that may wait or run at once. */
  windowLimit: count,
  bands: z.array(
    z.object({
      band: z.enum(bandOrder),
      chunks: count,
      bytes: count,
      workSeconds: seconds,
      targetSeconds: seconds,
      heldBeyondTarget: count,
      slots: count,
    }),
  ),
  notCounted: z.object({ paused: count, tenantLimit: count, circuitOpen: count, notDue: count, noHostForVersion: count }),
  /** The ledger is not whole yet: nobody may act by these numbers. */
  isRebuilding: z.boolean(),
});
export type PostedScaling = z.output<typeof postedScalingShape>;

export const scalingDecisionShape = z.object({
  at: z.string(),
  podsWanted: count,
  slotsWanted: count,
  inHand: count,
  podsReady: count,
  limitedBy,
  workSeconds: seconds,
});
export type ScalingDecision = z.output<typeof scalingDecisionShape>;

/** Older than this nobody may act by it. */
export const staleScalingMs = 15_000;
