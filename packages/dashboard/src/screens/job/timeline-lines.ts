/** The timeline of a job made readable: what is told twice stands once, and a run of chunks that died of one error is one line. Pure. */
import type { TimelineEntry } from '@millrace/api-contract';

export interface TimelineLine {
  readonly entry: TimelineEntry;
  /** How many entries of the same kind just before this one it stands for. */
  readonly alike: number;
}

/** `entries`: newest first. */
export function timelineLines(entries: readonly TimelineEntry[]): TimelineLine[] {
  const ends = new Set(entries.flatMap((entry) => (entry.kind === 'ended' ? [`${entry.generation} ${entry.state}`] : [])));
  const lines: TimelineLine[] = [];
  for (const entry of entries) {
    if (entry.kind === 'state' && ends.has(`${entry.generation} ${entry.state}`)) continue;
    const last = lines.at(-1);
    if (last?.entry.kind === 'dead' && entry.kind === 'dead' && last.entry.fingerprint === entry.fingerprint && last.entry.generation === entry.generation) {
      lines[lines.length - 1] = { ...last, alike: last.alike + 1 };
    } else lines.push({ entry, alike: 0 });
  }
  return lines;
}
