/** Pure: how large the pools of worker hosts may get. Who is not named has the settings of a pool on one computer or of a first cluster. */
import { z } from 'zod';

const poolShape = z
  .strictObject({
    pool: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, { error: 'expected a name: lower-case letters, digits, dashes' }),
    /** For people; nothing is decided by these three. */
    class: z.string().max(63).optional(),
    coreVersion: z.string().max(63).optional(),
    resultVersion: z.int().min(1).optional(),
    role: z.literal('stable', { error: 'expected stable: canaries are not available in this version' }).optional(),
    slotsPerPod: z.int().min(1).max(1_024),
    minPods: z.int().min(0).max(10_000),
    maxPods: z.int().min(1).max(10_000),
    /** Slots that may run at once, for a store that must be spared. */
    maxSlots: z.int().min(1).optional(),
  })
  .refine(({ minPods, maxPods }) => minPods <= maxPods, { error: 'expected minPods not above maxPods', path: ['minPods'] });
export type PoolEntry = z.output<typeof poolShape>;

/** A list of pools as JSON. Throws a TypeError that names every problem. */
export function parsePools(text: string): readonly PoolEntry[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new TypeError('cannot read pools: expected JSON');
  }
  const result = z.array(poolShape).min(1).safeParse(json);
  if (!result.success)
    throw new TypeError(`cannot read pools: ${result.error.issues.map((issue) => `/${issue.path.map(String).join('/')}: ${issue.message}`).join('; ')}`);
  const names = result.data.map(({ pool }) => pool);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new TypeError(`cannot read pools: ${twice} is named twice`);
  return result.data;
}
