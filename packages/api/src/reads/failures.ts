/** Attempts and failure records as they are shown; without what may hold content of records unless that is asked for. Pure. */
import type { AttemptRow } from '@millrace/api-contract';
import { type AttemptId, type AttemptView, codeInfo, type FailureRecord } from '@millrace/protocol';
import type { LedgerChunkView } from '@millrace/queues';

/** `withContent`: the caller may see content, and it is recorded. */
export function attemptRow(view: AttemptView, withContent: boolean): AttemptRow {
  const { attemptId, generation, outcome, record, startedAt, endedAt } = view;
  return {
    attemptId: attemptId as AttemptId,
    generation,
    outcome,
    mode: record?.mode ?? null,
    worker: record?.worker ?? null,
    pod: record?.pod ?? null,
    node: record?.node ?? null,
    coreVersion: record?.coreVersion ?? null,
    startedAt,
    endedAt,
    bytesDone: record?.bytesDone ?? null,
    recordsDone: record?.recordsDone ?? null,
    failure: record === null ? null : failureOf(record, withContent),
  };
}

export function failedAttempt(record: FailureRecord, withContent: boolean): AttemptRow {
  const { attemptId, generation, outcome, startedAt, endedAt } = record;
  return attemptRow({ attemptId, generation, outcome, record, startedAt, endedAt }, withContent);
}

function failureOf(record: FailureRecord, withContent: boolean): NonNullable<AttemptRow['failure']> {
  const { code, message, causes, details, fingerprint, range, position, exitCode, signal, peakRssBytes, stderrTail, backtrace } = record;
  return {
    class: record.class,
    code,
    message,
    hint: codeInfo(code).hint,
    causes,
    details: withContent ? details : (withoutSamples(details) as Record<string, unknown>),
    fingerprint,
    range,
    position,
    exitCode,
    signal,
    peakRssBytes,
    stderrTail: withContent ? stderrTail : null,
    stderrTailCharacters: stderrTail?.length ?? 0,
    backtrace,
  };
}

/** Fields that may hold data, by the declaration of failure records: `sample`; and what a core adds under these names. */
const ofContent = new Set(['sample', 'samples', 'value', 'raw', 'stderrTail']);

function withoutSamples(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSamples);
  if (typeof value !== 'object' || value === null) return value;
  const shown = Object.entries(value).filter(([name]) => !ofContent.has(name));
  return Object.fromEntries(shown.map(([name, inner]) => [name, withoutSamples(inner)]));
}

/** The attempt that is open now; null: none is. */
export function runningAttempt(view: LedgerChunkView | null): AttemptRow | null {
  if (view?.state !== 'running' || view.attempt === null) return null;
  const { attemptId, worker, pod, node, startedAt, bytesDone, recordsDone, mode } = view.attempt;
  const { generation } = view;
  const running = { outcome: 'running', coreVersion: null, endedAt: null, failure: null } as const;
  return { attemptId, generation, mode, worker, pod, node, startedAt, bytesDone, recordsDone, ...running };
}
