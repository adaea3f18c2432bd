/** Work that used up its attempts or that retrying cannot cure, with all that was tried. It counts only if the verdict says `dead`. */
import { z } from 'zod';

import { failureClasses } from './failure.ts';
import { failureRecordShape } from './failure-record.ts';
import { chunkRange, count, generationNumber, head, instant, stageName } from './record-shapes.ts';

export const deadLetterShape = z.object({
  ...head('deadLetter'),
  /** `<chunkId>.<generation>` */
  deadLetterId: z.string(),
  stage: stageName,
  chunk: count,
  generation: generationNumber,
  class: z.enum(failureClasses),
  code: z.string(),
  message: z.string(),
  fingerprint: z.string(),
  diedAt: instant,
  reason: z.string(),
  range: chunkRange.nullable(),
  /** Newest first. */
  attempts: z.array(failureRecordShape),
});
export type DeadLetter = z.output<typeof deadLetterShape>;
