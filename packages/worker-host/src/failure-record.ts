/** Pure: gathers everything a person needs to find out why an attempt did not commit, into the one record that is kept of it. */
import { type AttemptId, type ChunkMode, type ChunkRange, type FailureRecord, fingerprintOf, type JobId, type UncommittedOutcome } from '@millrace/protocol';
import type { OpenAttempt } from '@millrace/queues';
import { type ClassifiedFailure, classifyCode } from './classify.ts';
import type { HostIdentity } from './host.ts';

/** What an attempt worked on. */
export interface AttemptPlace {
  readonly jobId: JobId;
  readonly jobName: string;
  readonly inputName: string;
  readonly stage: string;
  readonly chunk: number;
  readonly generation: number;
  /** Of a chunk; null while planning and finishing. */
  readonly range: ChunkRange | null;
  readonly fileUri: string | null;
  readonly mode: ChunkMode;
}

export interface AttemptTimes {
  readonly attemptId: AttemptId;
  readonly startedAt: string;
  readonly endedAt: string;
}

export interface Done {
  readonly bytesDone: number;
  readonly recordsDone: number;
}

export function failureRecord(
  failure: ClassifiedFailure,
  place: AttemptPlace,
  times: AttemptTimes,
  host: HostIdentity & { readonly coreVersion: string },
  done: Done,
  outcome: UncommittedOutcome = 'failed',
): FailureRecord {
  const { code, message, details, causes, exitCode, signal, peakRssBytes, stderrTail, backtrace } = failure;
  return {
    record: 'failure',
    version: 1,
    jobId: place.jobId,
    stage: place.stage,
    chunk: place.chunk,
    generation: place.generation,
    attemptId: times.attemptId,
    outcome,
    class: failure.class,
    code,
    message,
    details,
    causes: [...causes],
    fingerprint: fingerprintOfFailure(failure, place),
    worker: host.worker,
    pod: host.pod,
    node: host.node,
    coreVersion: host.coreVersion,
    startedAt: times.startedAt,
    endedAt: times.endedAt,
    range: place.range,
    bytesDone: failure.bytesDone ?? done.bytesDone,
    recordsDone: failure.recordsDone ?? done.recordsDone,
    position: failure.position === null ? null : { ...failure.position, uri: place.fileUri },
    exitCode,
    signal,
    peakRssBytes,
    stderrTail,
    backtrace,
    mode: place.mode,
  };
}

const ranOut: Readonly<Record<string, string>> = { CORE_MEMORY: 'memory', CORE_DISK_FULL: 'disk', STORAGE_FULL: 'disk', CORE_TIME_LIMIT: 'time' };
const lostReasons: Readonly<Record<string, string>> = {
  LEASE_EXPIRED: 'expired',
  LEASE_LOST: 'fenced',
  LEASE_HOST_GONE: 'killed',
  ATTEMPT_RELEASED: 'released',
  ATTEMPT_CANCELLED: 'cancelled',
  ATTEMPT_SUPERSEDED: 'superseded',
};

/** The same cause gets the same fingerprint, whoever classifies it. */
export function fingerprintOfFailure(failure: ClassifiedFailure, place: Pick<AttemptPlace, 'jobName' | 'stage' | 'inputName'>): string {
  return fingerprintOf(failure.code, failure.class, {
    jobName: place.jobName,
    stage: place.stage,
    input: place.inputName,
    operation: failure.code,
    place: text(failure.details['bucket']) ?? text(failure.details['host']) ?? 'file',
    ranOut: ranOut[failure.code] ?? failure.code,
    frames: framesOf(failure.backtrace),
    requestKind: text(failure.details['request']) ?? 'Process',
    reason: lostReasons[failure.code] ?? failure.code,
  });
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Own frames of a backtrace, top first. */
function framesOf(backtrace: string | null): string[] {
  if (backtrace === null) return [];
  return backtrace
    .split('\n')
    .filter((line) => line.includes('millrace'))
    .map((line) => line.trim());
}

/** What is known of an attempt whose host went silent: who it was, and how far it had come. */
export function lostFailure(previous: OpenAttempt): ClassifiedFailure {
  return {
    code: 'LEASE_EXPIRED',
    class: 'lost',
    message: `host ${previous.worker} stopped renewing its lease`,
    details: {},
    causes: [],
    position: null,
    bytesDone: previous.bytesDone,
    recordsDone: previous.recordsDone,
    exitCode: null,
    signal: null,
    peakRssBytes: null,
    stderrTail: null,
    backtrace: null,
  };
}

/** An attempt that ended because the host or the job wanted it to. */
export const releasedFor = (outcome: 'released' | 'cancelled'): ClassifiedFailure =>
  outcome === 'released'
    ? classifyCode('ATTEMPT_RELEASED', 'the host drained and handed the task back')
    : classifyCode('ATTEMPT_CANCELLED', 'the job was cancelled, or ended early, while the attempt ran');
