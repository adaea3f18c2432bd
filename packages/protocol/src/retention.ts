/** How long what a job leaves behind is kept: rejects, and its history (plans, verdicts, failures). Pure. */
import type { Command } from './command.ts';
import { type Manifest, manifestCount } from './manifest.ts';

/** What goes at once: `rejects` are the quarantined records; `history` all records of the job but what was submitted, asked, and came of it. */
export const retirable = ['rejects', 'history'] as const;
export type Retirable = (typeof retirable)[number];

/** Durations after the end of the newest generation, in ms. */
export interface Retention {
  readonly history: number;
  readonly rejects: number;
}

export interface Retirement {
  readonly what: Retirable;
  /** By the wall clock, ms since 1970. */
  readonly dueMs: number;
}

/**
 * When each goes, of a job whose newest generation has ended with this manifest. A job with open rejects keeps its history at least as long as those: a
 * replay needs both. What a command has retired already is left out, and rejects where there are none.
 */
export function retirementsOf(
  manifest: Pick<Manifest, 'endedAt' | 'balance' | 'rejects' | 'pages'>,
  retention: Retention,
  commands: readonly Command[],
): Retirement[] {
  const endedMs = Date.parse(manifest.endedAt);
  const isOpen = manifest.balance.rejected > 0;
  const all: Retirement[] = [
    ...(manifestCount(manifest, 'rejects') > 0 ? [{ what: 'rejects', dueMs: endedMs + retention.rejects } as const] : []),
    { what: 'history', dueMs: endedMs + (isOpen ? Math.max(retention.history, retention.rejects) : retention.history) },
  ];
  return all.filter(({ what }) => !commands.some(({ retires }) => retires === what));
}
