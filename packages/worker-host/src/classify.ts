/** Pure: what an answer, or the lack of one, means. The code decides the class, the class decides everything else. */
import { CoreGoneError } from '@millrace/core-client';
import { type AttemptFailureClass, attemptClassOf, type FailureCode, type Position } from '@millrace/protocol';
import type { Failed } from '@millrace/protocol/wire';
import { isRedisFault } from '@millrace/queues';
import { describeError } from '@millrace/service-kit';

/** A failure as the host has understood it; the record adds who, where and when. */
export interface ClassifiedFailure {
  readonly code: string;
  readonly class: AttemptFailureClass;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly causes: readonly string[];
  readonly position: Omit<Position, 'uri'> | null;
  readonly bytesDone: number | null;
  readonly recordsDone: number | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly peakRssBytes: number | null;
  readonly stderrTail: string | null;
  readonly backtrace: string | null;
}

const nothing = {
  details: {},
  causes: [],
  position: null,
  bytesDone: null,
  recordsDone: null,
  exitCode: null,
  signal: null,
  peakRssBytes: null,
  stderrTail: null,
  backtrace: null,
} as const;

/** A `Failed` of the core. */
export function classifyFailed(failed: Failed): ClassifiedFailure {
  const { code, message, causes, position, bytesDone, recordsDone, peakRssBytes, backtrace } = failed;
  return {
    ...nothing,
    code,
    class: attemptClassOf(code),
    message,
    details: parseDetails(failed.details),
    causes,
    position,
    bytesDone,
    recordsDone,
    peakRssBytes,
    backtrace,
  };
}

/**
 * A core that was told to stop while it waited for storage has no result that could say so: it answers with this code of its own, which is no failure then.
 * Whatever else it answers stands, and so does this code when nobody asked for the stop. `stoppedFor`: why the host asked; null: it did not.
 */
export function isObeyedStop({ code }: Pick<Failed, 'code'>, stoppedFor: string | null): boolean {
  return stoppedFor !== null && code === 'CANCELLED';
}

function parseDetails(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The core is gone; how it ended names the code. */
export function classifyGone(gone: CoreGoneError): ClassifiedFailure {
  const { code, message, exitCode, signal, stderrTail, killedFor } = gone;
  return { ...nothing, code, class: attemptClassOf(code), message, details: { killedFor }, exitCode, signal, stderrTail };
}

/** Anything thrown in the host's own code. An error without one of our codes is a bug. */
export function classifyThrown(error: unknown): ClassifiedFailure {
  if (error instanceof CoreGoneError) return classifyGone(error);
  const { code, message, details, causes, stack } = describeError(error);
  const known = code ?? (isRedisFault(error) ? 'REDIS_UNAVAILABLE' : 'CORE_PANIC');
  return { ...nothing, code: known, class: attemptClassOf(known), message, details, causes, backtrace: stack };
}

/** An end that the host itself decided on. */
export function classifyCode(code: FailureCode, message: string): ClassifiedFailure {
  return { ...nothing, code, class: attemptClassOf(code), message };
}
