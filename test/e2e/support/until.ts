import { setTimeout as delay } from 'node:timers/promises';

export interface UntilOptions {
  /** Milliseconds; two minutes when not given, so that only what never comes fails, however slow the machine. */
  readonly within?: number;
  /** Milliseconds between two looks. */
  readonly every?: number;
  /** What is there instead, for the message. */
  readonly describe?: () => string;
}

/** Resolves when `holds` answers true, looking again and again; rejects when that takes too long. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, options: UntilOptions = {}): Promise<void> {
  const { within = 120_000, every = 10 } = options;
  for (const deadline = performance.now() + within; !(await holds()); ) {
    if (performance.now() > deadline) throw new Error(`waited ${within} ms for ${what}${options.describe === undefined ? '' : `: ${options.describe()}`}`);
    await delay(every);
  }
}
