/** What was asked of a job, by operators or by its retention: a log, numbered by put-if-absent. Each names the generation it acts on; a redrive and a replay open one. */
import { z } from 'zod';

import type { ResolvedJobSpec } from './job-spec-shape.ts';
import { count, digest, generationNumber, head, instant } from './record-shapes.ts';

export const commandWords = ['redrive', 'replay', 'waive', 'cancel', 'pause', 'resume', 'retire'] as const;
export type CommandWord = (typeof commandWords)[number];

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

export const commandShape = z.object({
  ...head('command'),
  number: count,
  command: z.enum(commandWords),
  /** The one acted on. */
  generation: generationNumber,
  /** The generation that a redrive, a replay or a waiver opens. */
  opens: generationNumber.nullable(),
  /** `<stage>.<chunk>` of what a redrive takes or a waiver accepts; `all`: everything without receipt. */
  select: z.union([z.literal('all'), z.array(z.string())]),
  /** The set of rejects that a replay takes up. */
  correction: z.string().nullable().default(null),
  /** What a retirement removes. */
  retires: z.enum(['rejects', 'history']).nullable().default(null),
  resultVersion: z.int().min(1).nullable(),
  /** The whole spec of the new generation where a redrive overrides parts of it, and its digest. */
  spec: z.custom<ResolvedJobSpec>(isObject, { error: 'expected a resolved job spec' }).nullable(),
  specDigest: digest.nullable(),
  /** The request that asked for it: asked again after a lost answer, it is the same command. Null where none did. */
  requestId: z.string().nullable().default(null),
  reason: z.string(),
  by: z.string(),
  at: instant,
});
export type Command = z.output<typeof commandShape>;
