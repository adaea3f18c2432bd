/**
 * Whether the chunks of each file follow one another without a hole, in bytes and in records: a record that no chunk holds would be missed by every balance.
 * Chunks that follow one another are one run, so a file that is planned well is one entry, whatever its chunks. Pure.
 */
import type { EndedFile, FileChunk } from '@millrace/protocol';

/** Neighbours put together. */
interface Run {
  /** Of its first chunk. */
  readonly chunk: number;
  readonly unit: 'row' | 'byte';
  readonly start: number;
  /** Number of its first record, from 1. */
  readonly record: number;
  readonly end: number;
  /** Number of the record behind its last. */
  readonly next: number;
}

export class FileRuns {
  readonly #files = new Map<number, Run[]>();

  /** In any order. */
  add(share: FileChunk): void {
    const record = share.kind === 'rows' ? share.start + 1 : share.record;
    const unit = share.kind === 'rows' ? 'row' : 'byte';
    let run: Run = { chunk: share.chunk, unit, start: share.start, record, end: share.end, next: record + share.records };
    const runs = this.#files.get(share.file) ?? [];
    this.#files.set(share.file, runs);
    const before = runs.findIndex((one) => one.end === run.start && one.next === run.record);
    const first = runs[before];
    if (first !== undefined) {
      run = { ...first, end: run.end, next: run.next };
      runs.splice(before, 1);
    }
    const behind = runs.findIndex((one) => one.start === run.end && one.record === run.next);
    const last = runs[behind];
    if (last !== undefined) {
      run = { ...run, end: last.end, next: last.next };
      runs.splice(behind, 1);
    }
    runs.push(run);
  }

  /** `ended`: what planning counted of files that it planned to their end. Null: all of these hold together. */
  conflict(ended: readonly EndedFile[]): string | null {
    for (const { file, records } of ended) {
      const problem = holeIn(this.#files.get(file) ?? [], records);
      if (problem !== null) return `file ${file}: ${problem}`;
    }
    return null;
  }
}

function holeIn(runs: readonly Run[], records: number): string | null {
  const ordered = [...runs].sort((a, b) => a.start - b.start || a.end - b.end);
  let [next, end] = [1, ordered[0]?.start ?? 0];
  for (const run of ordered) {
    if (run.start !== end || run.record !== next)
      return `chunk ${run.chunk} begins with record ${run.record} at ${run.unit} ${run.start}, but ${next} at ${end} is next`;
    [next, end] = [run.next, run.end];
  }
  return next - 1 === records ? null : `planning counted ${records} records, its chunks hold ${next - 1}`;
}
