/** What a cluster was seen to do, and whether that was right. Pure. */
import { z } from 'zod';

const podsShape = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
      status: z.object({
        conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
        containerStatuses: z.array(z.object({ restartCount: z.number() })).default([]),
      }),
    }),
  ),
});

export interface Pod {
  readonly name: string;
  readonly isReady: boolean;
  /** Told to go. */
  readonly isLeaving: boolean;
  readonly restarts: number;
}

/** Of `kubectl get pods -o json`. Throws for anything else. */
export function podsOf(text: string): Pod[] {
  return podsShape.parse(JSON.parse(text)).items.map(({ metadata, status }) => ({
    name: metadata.name,
    isReady: status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    isLeaving: metadata.deletionTimestamp !== undefined,
    restarts: status.containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
  }));
}

/** One look at a pool. */
export interface Look {
  readonly atMs: number;
  readonly wanted: number;
  readonly inHand: number;
  /** Pods that are not leaving. */
  readonly pods: number;
}

/** What the scaling of a job did wrong; empty: nothing. Tolerates what an autoscaler of Kubernetes does: it ignores differences of up to a tenth. */
export function scalingFaults(looks: readonly Look[], bounds: { readonly least: number; readonly most: number }): string[] {
  const [wanted, pods] = [Math.max(...looks.map((look) => look.wanted)), Math.max(...looks.map((look) => look.pods))];
  const last = looks.at(-1);
  return [
    ...(looks.length === 0 ? ['the pool was never looked at'] : []),
    ...(wanted <= bounds.least ? [`more than ${bounds.least} pods were never wanted, so nothing was shown`] : []),
    ...(pods > bounds.most ? [`there were ${pods} pods, expected at most ${bounds.most}`] : []),
    ...(pods < Math.floor(wanted * 0.9) ? [`there were at most ${pods} pods, ${wanted} were wanted`] : []),
    ...(last !== undefined && last.pods > bounds.least ? [`at the end ${last.pods} pods were left, expected ${bounds.least}`] : []),
  ];
}

export interface SeenAttempt {
  readonly chunk: string;
  readonly attemptId: string;
  readonly outcome: string;
  readonly code: string | null;
  /** Null: not known, as of a committed one whose receipt does not say. */
  readonly pod: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** A pod that leaves in good order hands back what it has: `released` is no attempt used up, and nothing may be `lost`. `killed`: it had no time to. */
export function attemptFaults(attempts: readonly SeenAttempt[], leaving: 'drained' | 'killed'): string[] {
  const allowed = leaving === 'drained' ? ['committed', 'released', 'superseded'] : ['committed', 'released', 'superseded', 'lost'];
  const wrong = attempts.filter(({ outcome }) => !allowed.includes(outcome)).map(({ chunk, outcome, code }) => `${chunk}: ${outcome} (${code ?? 'no code'})`);
  const commits = Map.groupBy(
    attempts.filter(({ outcome }) => outcome === 'committed'),
    ({ chunk }) => chunk,
  );
  const twice = [...commits].filter(([, of]) => of.length > 1).map(([chunk]) => `${chunk}: committed twice`);
  return [...wrong, ...twice];
}
