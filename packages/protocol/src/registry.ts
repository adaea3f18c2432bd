/**
 * Versioned documents of the installation: schedules, redrive plans, operations, triage of error groups, tenants. A change is the put-if-absent of the
 * next version, so the highest counts and nothing is overwritten. Each kind has the shape of its body here.
 */
import { z } from 'zod';
import { deliveryShape } from './callback.ts';
import { queueSettingShape } from './queue-setting.ts';
import { count, instant } from './record-shapes.ts';
import { operationShape, planItemsShape, redrivePlanShape } from './redrive-plan.ts';
import { apiDocumentShape, tokenDocumentShape, userDocumentShape } from './role.ts';
import { scheduleShape } from './schedule.ts';
import { triageShape } from './triage.ts';

/** Kind, as its folder is called → shape of the body. */
export const registryShapes = {
  plans: redrivePlanShape,
  'plan-items': planItemsShape,
  operations: operationShape,
  /** Named by the fingerprint, one for each tenant: `<tenant>.<fingerprint>`. */
  triage: triageShape,
  /** `<tenant>.<name>` */
  schedules: scheduleShape,
  /** Deliveries of webhooks, by their id. */
  callbacks: deliveryShape,
  tokens: tokenDocumentShape,
  users: userDocumentShape,
  api: apiDocumentShape,
  /** Named by the queue. */
  queues: queueSettingShape,
} as const;

export type RegistryKind = keyof typeof registryShapes;
export type RegistryBody<Kind extends RegistryKind> = z.output<(typeof registryShapes)[Kind]>;

export const registryKinds = Object.keys(registryShapes) as readonly RegistryKind[];

/** Letters, digits, dots and dashes: a name is one step of a path. */
export const registryName = /^[0-9A-Za-z][0-9A-Za-z.-]{0,127}$/;

export const registryEntryShape = z.object({
  record: z.literal('registry'),
  version: z.literal(1),
  kind: z.enum(Object.keys(registryShapes) as [RegistryKind, ...RegistryKind[]]),
  name: z.string().regex(registryName),
  /** From 1. */
  number: count.min(1),
  at: instant,
  by: z.string(),
  reason: z.string(),
  /** The document was taken out; a later version may bring it back. */
  removed: z.boolean(),
  body: z.record(z.string(), z.unknown()),
});
export type RegistryEntry = z.output<typeof registryEntryShape>;

/** Throws a TypeError naming what is wrong with the body of a document of this kind. */
export function parseRegistryBody<Kind extends RegistryKind>(kind: Kind, body: unknown): RegistryBody<Kind> {
  const result = registryShapes[kind].safeParse(body);
  if (result.success) return result.data as RegistryBody<Kind>;
  const problems = result.error.issues.map((issue) => `/${issue.path.map(String).join('/')}: ${issue.message}`);
  throw new TypeError(`cannot read a document of registry/${kind}: ${problems.join('; ')}`);
}
