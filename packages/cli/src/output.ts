/**
 * The only writer of stdout and stderr. stdout is data, stderr is talk; with `--json` stdout holds one document, or one a line. Nothing moves
 * where there is no terminal. Who closes stdout (`| head`) has seen enough: what would be written then is dropped, and `closed` says so.
 */
import { nearestName } from '@millrace/protocol';
import { CommandError } from './command-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { type FieldsSeen, picked, seenFields } from './json-fields.ts';

/** `fields`: the names of the fields that there are. A list: those alone. */
export type JsonWanted = boolean | 'fields' | readonly string[];

export const progressModes = ['auto', 'tty', 'plain', 'json', 'none'] as const;
export type ProgressMode = (typeof progressModes)[number];

export interface Output {
  readonly json: boolean;
  /** A line of data for people; nothing with `--json`. */
  line(text?: string): void;
  /** A document for programs; nothing without `--json`. */
  document(value: unknown): void;
  /** Data as they are, with `--json` too. */
  raw(data: string | Uint8Array): void;
  /** A line of talk on stderr, also with `--json`; nothing with `--quiet`. */
  say(text: string): void;
  /** One step of something that goes on: a moving line on a terminal, else a line every ten seconds and whenever `state` is another one. */
  progress(step: ProgressStep): void;
  error(error: unknown): ExitCode;
  /** What is left to say of `--json=…`, and the exit code with it. */
  end(exitCode: ExitCode): ExitCode;
  /** Aborted when nobody reads stdout any more. */
  readonly closed: AbortSignal;
}

export interface ProgressStep {
  readonly line: string;
  readonly state: string;
  /** For `--progress json`. */
  readonly document: unknown;
}

export interface OutputOptions {
  readonly json: JsonWanted;
  readonly quiet: boolean;
  readonly progress: ProgressMode;
  /**
   * Of a command that only looks: it ends at its next word when nobody reads any more or this signal is raised, and fields that no document has are a
   * mistake that its exit code tells of. Null: the command does things that go on.
   */
  readonly looksUntil?: AbortSignal | null;
}

/** A command that only looks has nobody left to tell. Its exit code is `exitCode`; there is nothing to say. */
export class NobodyReads extends Error {
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode) {
    super('nobody reads any more');
    this.exitCode = exitCode;
  }
}

const ERASE = '\r\x1b[2K';
const plainEveryMs = 10_000;

export function openOutput({ json, quiet, progress: mode, looksUntil = null }: OutputOptions): Output {
  const isJson = json !== false;
  const moves = mode === 'tty' || (mode === 'auto' && process.stderr.isTTY === true && !isJson);
  const fields: FieldsSeen = seenFields(Array.isArray(json) ? json : []);
  const told = { state: '', line: '', atMs: Number.NEGATIVE_INFINITY };
  let painted = false;
  const clear = (): void => {
    if (painted) process.stderr.write(ERASE);
    painted = false;
  };
  const write = (data: string | Uint8Array): void => {
    clear();
    if (looksUntil?.aborted) throw new NobodyReads(exitCodes.interrupted);
    if (!pipes.stdout.signal.aborted) process.stdout.write(data);
    else if (looksUntil !== null) throw new NobodyReads(exitCodes.done);
  };
  const say = (text: string): void => {
    clear();
    if (!quiet) process.stderr.write(`${text}\n`);
  };
  return {
    json: isJson,
    closed: pipes.stdout.signal,
    line: (text = '') => {
      if (!isJson) write(`${text}\n`);
    },
    raw: write,
    document(value) {
      if (!isJson) return;
      fields.note(value);
      const shown = json === 'fields' ? undefined : json === true ? value : picked(value, json as readonly string[]);
      if (shown !== undefined) write(`${JSON.stringify(shown)}\n`);
    },
    say,
    progress({ line, state, document }) {
      if (quiet || mode === 'none') return;
      if (mode === 'json') {
        if (line !== told.line) process.stderr.write(`${JSON.stringify(document)}\n`);
      } else if (moves) {
        process.stderr.write(`${ERASE}${line}`);
        painted = true;
      } else if (!isJson || mode === 'plain') {
        const isDue = state !== told.state || (line !== told.line && performance.now() - told.atMs > plainEveryMs);
        if (!isDue) return;
        told.atMs = performance.now();
        say(line);
      }
      [told.state, told.line] = [state, line];
    },
    error(error) {
      clear();
      if (error instanceof NobodyReads) return error.exitCode;
      return writeError(error, isJson);
    },
    end(exitCode) {
      clear();
      if (json === 'fields') for (const field of fields.all()) write(`${field}\n`);
      const unknown = fields.missing();
      if (unknown.length === 0) return exitCode;
      const nearest = nearestName(unknown[0] ?? '', fields.all());
      const message = `no document has ${unknown.join(', ')}${nearest === undefined ? '' : `: did you mean ${nearest}?`}`;
      if (looksUntil !== null) return writeError(new CommandError(exitCodes.usage, message, '`--json=?` lists the fields.'), true);
      say(`warning: ${message}`);
      return exitCode;
    },
  };
}

const pipes = { stdout: new AbortController() };

/** Who reads us may leave: that is no fault of ours. */
export function watchPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    pipes.stdout.abort();
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

/** Ends the process once what was written has left it: a pipe may still be reading. */
export function exitWhenWritten(exitCode: ExitCode): void {
  process.exitCode = exitCode;
  if (process.stdout.writableLength > 0 && !process.stdout.destroyed) process.stdout.once('drain', () => process.exit()).once('close', () => process.exit());
  else process.exit();
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

/** `1 chunk`, `1,234 chunks`. */
export const counted = (number: number, one: string, several = `${one}s`): string => `${count(number)} ${number === 1 ? one : several}`;

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
