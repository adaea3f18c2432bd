/** The full record of an attempt that did not commit: everything a person needs to find out why. One per attempt, never overwritten. */
import { z } from 'zod';

import { chunkModes } from './chunk.ts';
import { failureClasses } from './failure.ts';
import { attemptIdShape, chunkRange, count, generationNumber, head, instant, stageName } from './record-shapes.ts';

/** `failed` and `lost` count against the chunk; the others tell what became of an attempt that nobody is to blame for. */
export const uncommittedOutcomes = ['failed', 'lost', 'superseded', 'released', 'cancelled'] as const;
export type UncommittedOutcome = (typeof uncommittedOutcomes)[number];

/** Whether it counts when the next try is decided. */
export const countsAgainstChunk = ({ outcome }: Pick<FailureRecord, 'outcome'>): boolean => outcome === 'failed' || outcome === 'lost';

const text = z.string().nullable();

export const positionShape = z.object({
  file: count.nullable(),
  uri: text,
  record: count.nullable(),
  line: count.nullable(),
  byte: count.nullable(),
});
export type Position = z.output<typeof positionShape>;

export const failureRecordShape = z.object({
  ...head('failure'),
  stage: stageName,
  chunk: count,
  generation: generationNumber,
  attemptId: attemptIdShape,
  outcome: z.enum(uncommittedOutcomes),
  class: z.enum(failureClasses),
  code: z.string(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()),
  causes: z.array(z.string()),
  fingerprint: z.string(),
  worker: z.string(),
  pod: text,
  node: text,
  coreVersion: text,
  startedAt: instant,
  endedAt: instant,
  range: chunkRange.nullable(),
  bytesDone: count,
  recordsDone: count,
  position: positionShape.nullable(),
  exitCode: z.int().nullable(),
  signal: text,
  peakRssBytes: count.nullable(),
  stderrTail: text,
  backtrace: text,
  mode: z.enum(chunkModes),
});
export type FailureRecord = z.output<typeof failureRecordShape>;
