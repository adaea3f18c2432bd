/** What the leading scheduler has posted about a pool, read back and checked. */
import { bandOrder } from '@millrace/protocol';
import type { Queues } from '@millrace/queues';
import { z } from 'zod';

const count = z.int().min(0);
const seconds = z.number().min(0);
const limitedBy = z.enum(['target', 'inHand', 'minPods', 'maxPods', 'maxSlots', 'idle']);

const postedShape = z.object({
  pool: z.string(),
  coreVersion: z.string().nullable(),
  resultVersion: count,
  podsWanted: count,
  limitedBy,
  slotsWanted: count,
  slotsPerPod: z.int().min(1),
  inHand: count,
  minPods: count,
  maxPods: count,
  maxSlots: count.nullable(),
  podsReady: count,
  podsDraining: count,
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
  isRebuilding: z.boolean(),
});
export type PostedScaling = z.output<typeof postedShape>;

const decisionShape = z.object({
  at: z.string(),
  podsWanted: count,
  slotsWanted: count,
  inHand: count,
  podsReady: count,
  limitedBy,
  workSeconds: seconds,
});
export type ScalingDecision = z.output<typeof decisionShape>;

/** Older than this nobody may act by it. */
export const staleMs = 15_000;

/** Null: nobody has said anything about the pool within a minute. */
export async function readPosted(queues: Queues, pool: string): Promise<{ readonly ageMs: number; readonly scaling: PostedScaling } | null> {
  const posted = await queues.scaling.read(pool);
  if (posted === null) return null;
  return { ageMs: posted.ageMs, scaling: postedShape.parse(JSON.parse(posted.text)) };
}

/** What changed lately, newest first. */
export async function readDecisions(queues: Queues, pool: string): Promise<ScalingDecision[]> {
  return (await queues.scaling.decisions(pool)).map((text) => decisionShape.parse(JSON.parse(text)));
}
