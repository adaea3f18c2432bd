/**
 * What people and programs did to the system: one record before the act and one with its outcome. They are a chain: each names the digest of the one
 * that the same process wrote before it, so that a record taken out shows. Numbers and words alone: no content of records, no secret.
 */
import { z } from 'zod';

import { isId } from './ids.ts';
import { maxReasonLength } from './limits.ts';
import { digest, instant } from './record-shapes.ts';

const auditId = z.custom<string>((value) => typeof value === 'string' && isId(value) && value.startsWith('e'), { error: 'expected an audit id' });
const facts = z.record(z.string(), z.unknown()).nullable();

export const auditOutcomes = ['done', 'refused', 'failed'] as const;
export type AuditOutcome = (typeof auditOutcomes)[number];

export const auditShape = z.object({
  record: z.literal('audit'),
  version: z.literal(1),
  auditId,
  at: instant,
  /** Of the second record of a pair: the first one. */
  follows: auditId.nullable(),
  /** Who asked, such as `producer:acme`; `scheduler` for what it does by itself. */
  by: z.string().min(1).max(255),
  role: z.string().max(64).nullable(),
  tenant: z.string().nullable(),
  /** Address or name of where it was asked from, where that is known. */
  from: z.string().max(255).nullable(),
  requestId: z.string().nullable(),
  /** Such as `job.cancel`. */
  act: z.string().regex(/^[a-z][a-zA-Z]*(\.[a-z][a-zA-Z]*)+$/),
  /** Such as `job:<jobId>`. */
  object: z.string().min(1).max(512),
  before: facts,
  /** Of the second record. */
  after: facts,
  outcome: z.enum(auditOutcomes).nullable(),
  /** Why it was refused or failed. */
  code: z.string().nullable(),
  reason: z.string().max(maxReasonLength),
  /** Of the stored bytes of the record that this process wrote before this one. */
  previous: digest.nullable(),
});
export type AuditRecord = z.output<typeof auditShape>;
