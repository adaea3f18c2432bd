/** What is left to read of attempts that did not commit, line by line: how each ended, what led to it, and the last words of its core. Pure. */
import type { FailureRecord } from './failure-record.ts';

/** From the gravest to the least. */
export const logLevels = ['error', 'warn', 'info'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogLine {
  /** When the attempt ended: nothing says when within it a line was written. */
  readonly at: string;
  readonly level: LogLevel;
  readonly chunkId: string;
  readonly attemptId: string;
  readonly generation: number;
  readonly worker: string;
  /** `attempt`: how it ended, or a cause of that; `core`: its standard error, which may hold content of records. */
  readonly source: 'attempt' | 'core';
  /** Of how it ended. */
  readonly code: string | null;
  readonly message: string;
}

/** Failed: an error; lost: a warning; given back or overtaken: nothing to worry about. */
export function logLevelOf(outcome: FailureRecord['outcome']): LogLevel {
  if (outcome === 'failed') return 'error';
  return outcome === 'lost' ? 'warn' : 'info';
}

export const isAtLeast = (level: LogLevel, least: LogLevel): boolean => logLevels.indexOf(level) <= logLevels.indexOf(least);

/** `withContent`: also what the core wrote. */
export function logLines(record: FailureRecord, withContent: boolean): LogLine[] {
  const { jobId, stage, chunk, attemptId, generation, worker, outcome, code, message, causes, exitCode, signal, stderrTail, endedAt } = record;
  const head = { at: endedAt, level: logLevelOf(outcome), chunkId: `${jobId}.${stage}.${chunk}`, attemptId, generation, worker };
  const end = signal !== null ? ` (signal ${signal})` : exitCode !== null ? ` (exit code ${exitCode})` : '';
  const lines: LogLine[] = [{ ...head, source: 'attempt', code, message: `${message}${end}` }];
  for (const cause of causes) lines.push({ ...head, source: 'attempt', code: null, message: `caused by: ${cause}` });
  if (stderrTail === null || stderrTail === '') return lines;
  if (!withContent) {
    const hidden = `${stderrTail.length} characters of the core's last words may hold content of records: ask for content to see them`;
    return [...lines, { ...head, source: 'core', code: null, message: hidden }];
  }
  const words = stderrTail.split('\n').filter((line) => line.trim() !== '');
  return [...lines, ...words.map((line): LogLine => ({ ...head, source: 'core', code: null, message: line }))];
}
