/** An attempt in lines for people, as a journal keeps it or a server tells it. Pure. */
import type { AttemptRow } from '@millrace/api-contract';
import { type AttemptView, codeInfo } from '@millrace/protocol';
import { count, size } from './output.ts';

export interface ShownAttempt {
  readonly attemptId: string;
  readonly generation: number;
  readonly outcome: string;
  readonly mode: string | null;
  readonly worker: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly bytesDone: number | null;
  readonly recordsDone: number | null;
  readonly failure: ShownFailure | null;
}

interface ShownFailure {
  readonly code: string;
  readonly class: string;
  readonly message: string;
  readonly causes: readonly string[];
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly peakRssBytes: number | null;
  readonly stderrTail: string | null;
  /** Length of the last words where they are not shown. */
  readonly hiddenTail: number;
}

export function attemptOfJournal({ attemptId, generation, outcome, record, startedAt: openedAt }: AttemptView): ShownAttempt {
  const head = { attemptId, generation, outcome };
  if (record === null) return { ...head, mode: null, worker: null, startedAt: openedAt, endedAt: null, bytesDone: null, recordsDone: null, failure: null };
  const { mode, worker, startedAt, endedAt, bytesDone, recordsDone } = record;
  return { ...head, mode, worker, startedAt, endedAt, bytesDone, recordsDone, failure: { ...record, hiddenTail: 0 } };
}

export function attemptOfServer(row: AttemptRow): ShownAttempt {
  const { failure } = row;
  if (failure === null) return { ...row, failure: null };
  return { ...row, failure: { ...failure, hiddenTail: failure.stderrTail === null ? failure.stderrTailCharacters : 0 } };
}

const shownLines = 5;

/** `number`: as `--diff` counts them, from the newest. */
export function describeAttempt(number: number, attempt: ShownAttempt): string[] {
  const { attemptId, generation, outcome, worker, failure, startedAt } = attempt;
  const head = `${number}  ${attemptId}  generation ${generation}  ${outcome}`;
  const where = worker === null ? '' : `  on ${worker}`;
  if (failure === null) return [`${head}${where}`, ...(startedAt === null ? [] : [`    ${workDone(attempt)}`])];
  const lines = [`${head}  ${failure.code} (${failure.class})${where}`, `    ${workDone(attempt)}`, `    ${failure.message}`];
  const { hint } = codeInfo(failure.code);
  if (hint !== '') lines.push(`    hint: ${hint}`);
  return [...lines, ...describeEvidence(failure)];
}

function workDone({ outcome, startedAt, endedAt, recordsDone, bytesDone, mode }: ShownAttempt): string {
  if (outcome === 'committed') return `started ${startedAt}`;
  const when = endedAt === null ? `since ${startedAt}` : `${startedAt} to ${endedAt}`;
  return `${when}, ${count(recordsDone ?? 0)} records and ${size(bytesDone ?? 0)} done${mode === null ? '' : `, mode ${mode}`}`;
}

function describeEvidence({ signal, exitCode, peakRssBytes, causes, stderrTail, hiddenTail }: ShownFailure): string[] {
  const lines: string[] = [];
  if (signal !== null || exitCode !== null) lines.push(`    core ended: ${signal ?? `exit code ${exitCode}`}`);
  if (peakRssBytes !== null) lines.push(`    peak memory: ${size(peakRssBytes)}`);
  for (const cause of causes) lines.push(`    caused by: ${cause}`);
  for (const line of stderrTail?.trim().split('\n').slice(-shownLines) ?? []) if (line !== '') lines.push(`    | ${line}`);
  if (hiddenTail > 0) lines.push(`    last words of the core: ${count(hiddenTail)} characters, shown with --content`);
  return lines;
}
