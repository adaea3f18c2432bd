/** The sender's control totals of an input. Files and bytes are known at intake, records at the finish. Pure. */
import type { ResolvedInput } from './job-spec-shape.ts';

export interface InputTotals {
  readonly files?: number;
  readonly bytes?: number;
  readonly records?: number;
}

/** Null, or the failure of the job. Totals that are not known yet are not judged. */
export function checkExpected(input: Pick<ResolvedInput, 'name' | 'expect'>, totals: InputTotals): { code: 'INPUT_COUNT_MISMATCH'; message: string } | null {
  for (const what of ['files', 'bytes', 'records'] as const) {
    const expected = input.expect[what];
    const got = totals[what];
    if (expected !== null && got !== undefined && expected !== got) {
      return { code: 'INPUT_COUNT_MISMATCH', message: `input ${input.name}: expected ${expected} ${what}, got ${got}` };
    }
  }
  return null;
}
