import type { ExitCode } from './exit-codes.ts';

/** One sentence, its cause and the fix: what a person reads when a command cannot do what was asked. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string | null;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(exitCode: ExitCode, message: string, hint: string | null = null, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
    this.details = details;
  }
}
