/** What tier 2 and tier 3 run besides the nemesis: one thing done at full size, or with what the kernel and the tools of this computer allow. */
import type { Workbench } from '../../e2e/support/workbench.ts';

export interface ExperimentOptions {
  readonly bench: Workbench;
  readonly seed: number;
  readonly seconds: number;
}

export interface Found {
  /** Sentences; none means that all holds. */
  readonly breaches: readonly string[];
  /** What was measured, by name and unit. */
  readonly figures: Readonly<Record<string, number | string>>;
}

/** Why this computer cannot do it. Skipped is not passed. */
export interface Skipped {
  readonly skipped: string;
}

export interface Experiment {
  readonly fault: string;
  readonly what: string;
  run(options: ExperimentOptions): Promise<Found | Skipped>;
}

/** Collects breaches: one that throws does not hide the others. */
export class Findings {
  readonly breaches: string[] = [];
  readonly figures: Record<string, number | string> = {};

  expect(holds: boolean, sentence: string): void {
    if (!holds) this.breaches.push(sentence);
  }

  async during(what: string, act: () => Promise<unknown>): Promise<void> {
    await act().catch((error: unknown) => this.breaches.push(`${what}: ${describe(error)}`));
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} (${describe(error.cause)})`;
}
