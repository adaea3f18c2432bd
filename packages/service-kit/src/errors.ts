/** The one class of thrown errors, and how any thrown value is told. */
import { type FailureCode, isFailureCode } from '@millrace/protocol';

export interface AppErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Message: *cannot <verb phrase>: <cause>*, with expected and got. Data go into `details`; secrets nowhere. */
export class AppError extends Error {
  override readonly name: string = 'AppError';
  readonly code: FailureCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: FailureCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

export interface ErrorDescription {
  readonly type: string;
  readonly code: FailureCode | null;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** Messages of the causes, from the outermost to the root. */
  readonly causes: readonly string[];
  readonly stack: string | null;
}

const maxCauses = 16;

/** Of anything that was thrown, also of what is no Error. */
export function describeError(thrown: unknown): ErrorDescription {
  if (!(thrown instanceof Error)) return { type: typeof thrown, code: null, message: String(thrown), details: {}, causes: [], stack: null };
  const code = 'code' in thrown && typeof thrown.code === 'string' && isFailureCode(thrown.code) ? thrown.code : null;
  const details = thrown instanceof AppError ? thrown.details : {};
  return { type: thrown.name, code, message: thrown.message, details, causes: causesOf(thrown), stack: thrown.stack ?? null };
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  // A chain that leads back to itself would never end.
  for (let cause = error.cause; cause !== undefined && cause !== null && causes.length < maxCauses; ) {
    causes.push(cause instanceof Error ? cause.message : String(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return causes;
}
