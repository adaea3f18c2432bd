/** What an autoscaler is told of a pool, by every scheduler and every api alike. What is not known is never a zero: then it must hold. */
import { type PostedScaling, postedScalingShape, type ScalingDecision, scalingDecisionShape, staleScalingMs } from '@millrace/protocol';
import type { ScalingBoard } from './scaling-board.ts';

export type ScalingAnswer =
  | {
      readonly ok: true;
      readonly scaling: Omit<PostedScaling, 'isRebuilding' | 'windowLimit'> & { readonly ageMs: number; readonly decisions: ScalingDecision[] };
    }
  | { readonly ok: false; readonly code: 'POOL_UNKNOWN' | 'BUSY' | 'REBUILDING'; readonly message: string; readonly pools: readonly string[] };

export async function answerScaling(board: ScalingBoard, pool: string): Promise<ScalingAnswer> {
  const pools = await board.pools();
  // Redis that was just lost knows no pool: that is no answer.
  if (pools.length === 0) return { ok: false, code: 'REBUILDING', message: 'no scheduler has said yet what its pools want', pools };
  if (!pools.includes(pool)) return { ok: false, code: 'POOL_UNKNOWN', message: `cannot find pool ${pool}: there is ${pools.join(', ')}`, pools };
  const found = await readPosted(board, pool);
  if (found === null || found.ageMs > staleScalingMs) {
    const age = found === null ? 'within a minute' : `for ${Math.round(found.ageMs / 1_000)} s`;
    return { ok: false, code: 'BUSY', message: `nobody has said ${age} what pool ${pool} wants: no scheduler leads`, pools };
  }
  const { isRebuilding, windowLimit: _, ...shown } = found.scaling;
  if (isRebuilding) return { ok: false, code: 'REBUILDING', message: 'the ledger is being rebuilt from the journal: what is wanted is not known', pools };
  const decisions = (await board.decisions(pool)).map((text) => scalingDecisionShape.parse(JSON.parse(text)));
  return { ok: true, scaling: { ...shown, ageMs: found.ageMs, decisions } };
}

/** Null: nobody has said anything about the pool within a minute. */
export async function readPosted(board: ScalingBoard, pool: string): Promise<{ readonly ageMs: number; readonly scaling: PostedScaling } | null> {
  const posted = await board.read(pool);
  return posted === null ? null : { ageMs: posted.ageMs, scaling: postedScalingShape.parse(JSON.parse(posted.text)) };
}
