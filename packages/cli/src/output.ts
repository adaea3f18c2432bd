/**
 * The only writer of stdout and stderr. stdout is data, stderr is talk; with `--json` stdout holds one document, or one a line. Nothing moves
 * where there is no terminal.
 */
import { CommandError } from './command-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';

export interface Output {
  readonly json: boolean;
  /** A line of data for people; nothing with `--json`. */
  line(text?: string): void;
  /** A document for programs; nothing without `--json`. */
  document(value: unknown): void;
  /** A line of talk on stderr, also with `--json`; nothing with `--quiet`. */
  say(text: string): void;
  /** Replaces the moving line at the bottom of a terminal; on anything else nothing. */
  paint(text: string): void;
  /** True when stderr is a terminal that may be repainted. */
  readonly moves: boolean;
  error(error: unknown): ExitCode;
}

const ERASE = '\r\x1b[2K';

export function openOutput(options: { json: boolean; quiet: boolean; progress: string }): Output {
  const moves = options.progress === 'tty' || (options.progress === 'auto' && process.stderr.isTTY === true && !options.json);
  let painted = false;
  const clear = (): void => {
    if (painted) process.stderr.write(ERASE);
    painted = false;
  };
  return {
    json: options.json,
    moves,
    line(text = '') {
      clear();
      if (!options.json) process.stdout.write(`${text}\n`);
    },
    document(value) {
      if (options.json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
    say(text) {
      clear();
      if (!options.quiet) process.stderr.write(`${text}\n`);
    },
    paint(text) {
      if (!moves || options.quiet) return;
      process.stderr.write(`${ERASE}${text}`);
      painted = true;
    },
    error(error) {
      clear();
      return writeError(error, options.json);
    },
  };
}

function writeError(error: unknown, json: boolean): ExitCode {
  const known = error instanceof CommandError;
  const message = error instanceof Error ? error.message : String(error);
  const exitCode = known ? error.exitCode : exitCodes.failed;
  if (json) {
    const { hint, details } = known ? error : { hint: null, details: {} };
    process.stderr.write(`${JSON.stringify({ title: message, hint, exitCode, ...details })}\n`);
    return exitCode;
  }
  process.stderr.write(`error: ${message}\n`);
  if (known && error.hint !== null) process.stderr.write(`  ${error.hint}\n`);
  if (!known && error instanceof Error && process.env['MILLRACE_LOG_LEVEL'] === 'debug') process.stderr.write(`${error.stack}\n`);
  return exitCode;
}

/** Spaces around numbers people read: 1,234,567. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Bytes in the largest unit that keeps at least one digit before the point. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function seconds(milliseconds: number): string {
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1000)} s`;
}

/** A bar of `width` cells. */
export function bar(share: number, width = 20): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}
