/** Two attempts side by side: what of them differs. Pure. */
import type { AttemptRow } from '@millrace/api-contract';

export interface ComparedLine {
  readonly name: string;
  readonly one: string;
  readonly other: string;
  readonly differs: boolean;
}

const none = '–';
const texts = (values: readonly string[] | undefined): string => (values === undefined || values.length === 0 ? none : values.join('\n'));

/** `format` writes instants and sizes as the page does. */
export function compareAttempts(
  one: AttemptRow,
  other: AttemptRow,
  format: { readonly instant: (at: string) => string; readonly bytes: (bytes: number) => string; readonly duration: (ms: number) => string },
): ComparedLine[] {
  const lines: readonly (readonly [string, (attempt: AttemptRow) => string | null | undefined])[] = [
    ['outcome', ({ outcome }) => outcome],
    ['code', ({ failure }) => failure?.code],
    ['class', ({ failure }) => failure?.class],
    ['message', ({ failure }) => failure?.message],
    ['causes', ({ failure }) => texts(failure?.causes)],
    ['error group', ({ failure }) => failure?.fingerprint],
    ['host', ({ worker }) => worker],
    ['pod', ({ pod }) => pod],
    ['node', ({ node }) => node],
    ['core version', ({ coreVersion }) => coreVersion],
    ['mode', ({ mode }) => mode],
    ['generation', ({ generation }) => String(generation)],
    ['started', ({ startedAt }) => (startedAt === null ? null : format.instant(startedAt))],
    ['took', (attempt) => (tookMs(attempt) === null ? null : format.duration(tookMs(attempt) ?? 0))],
    ['bytes read', ({ bytesDone }) => (bytesDone === null ? null : format.bytes(bytesDone))],
    ['records read', ({ recordsDone }) => (recordsDone === null ? null : String(recordsDone))],
    ['peak memory', ({ failure }) => (failure?.peakRssBytes == null ? null : format.bytes(failure.peakRssBytes))],
    ['signal', ({ failure }) => failure?.signal],
    ['exit code', ({ failure }) => (failure?.exitCode == null ? null : String(failure.exitCode))],
    ['position', ({ failure }) => (failure?.position == null ? null : JSON.stringify(failure.position))],
    ['stack', ({ failure }) => failure?.backtrace],
  ];
  return lines
    .map(([name, of]) => ({ name, one: of(one) ?? none, other: of(other) ?? none }))
    .filter((line) => line.one !== none || line.other !== none)
    .map((line) => ({ ...line, differs: line.one !== line.other }));
}

/** Null while it runs, or where a receipt does not say when it ended. */
export function tookMs({ startedAt, endedAt }: Pick<AttemptRow, 'startedAt' | 'endedAt'>): number | null {
  return startedAt === null || endedAt === null ? null : Math.max(0, Date.parse(endedAt) - Date.parse(startedAt));
}

/** One sentence of what ended an attempt, for people. */
export function attemptSentence(attempt: AttemptRow): string {
  const { outcome, failure, worker } = attempt;
  const host = worker === null ? 'A host' : `Host ${worker}`;
  switch (outcome) {
    case 'running':
      return `${host} is at it.`;
    case 'committed':
      return `${host} wrote its parts, and the receipt stands in the journal.`;
    case 'released':
      return `${host} handed the chunk back before its end, as a drain or a pause asks; that uses up no attempt.`;
    case 'superseded':
      return 'Another attempt put its verdict first; what this one wrote is not read by anybody.';
    case 'cancelled':
      return 'The job was cancelled meanwhile.';
    case 'failed':
    case 'lost':
      return failure === null ? `${host} did not get to its end.` : failure.message;
    default:
      return outcome satisfies never;
  }
}

/** Frames of our own first, then the rest, as they came. */
export function ownFramesFirst(backtrace: string): string {
  const frames = backtrace.split(/\n(?=\s*\d+:)/);
  const own = frames.filter((frame) => /millrace/.test(frame));
  return [...own, ...frames.filter((frame) => !/millrace/.test(frame))].join('\n');
}
