/**
 * What a core writes to stderr: the last bytes are kept for the failure record, and its JSON lines are logged again, up to a rate. A core that floods
 * stderr costs a count and never memory; the stream itself is always drained.
 */
import type { CoreLog } from './core-log.ts';

const keptBytes = 64 * 1024;
const loggedBytesPerSecond = 1024 * 1024;
const longestLineBytes = 64 * 1024;

export class StderrTail {
  readonly #log: CoreLog;
  readonly #nowMs: () => number;
  #kept: Buffer = Buffer.alloc(0);
  #line: Buffer[] = [];
  #lineBytes = 0;
  #windowStartMs: number;
  #windowBytes = 0;
  #droppedBytes = 0;

  /** `nowMs` is any clock that never goes back. */
  constructor(log: CoreLog, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
    this.#windowStartMs = nowMs();
  }

  push(bytes: Uint8Array): void {
    this.#keep(bytes);
    let from = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, from)) {
      this.#collect(bytes.subarray(from, end));
      this.#finishLine();
      from = end + 1;
    }
    this.#collect(bytes.subarray(from));
  }

  /** Logs what stands behind the last newline, and how much was not logged. */
  end(): void {
    this.#finishLine();
    this.#reportDropped();
  }

  /** The last 64 KiB as text; a character cut at the front reads as U+FFFD. */
  text(): string {
    return this.#kept.toString('utf8');
  }

  #keep(bytes: Uint8Array): void {
    const whole = bytes.length >= keptBytes ? Buffer.from(bytes.subarray(bytes.length - keptBytes)) : Buffer.concat([this.#kept, bytes]);
    this.#kept = whole.length > keptBytes ? Buffer.from(whole.subarray(whole.length - keptBytes)) : whole;
  }

  #collect(bytes: Uint8Array): void {
    const room = longestLineBytes - this.#lineBytes;
    if (room > 0 && bytes.length > 0) this.#line.push(Buffer.from(bytes.subarray(0, room)));
    this.#lineBytes += bytes.length;
  }

  #finishLine(): void {
    const text = Buffer.concat(this.#line).toString('utf8');
    const bytes = this.#lineBytes;
    this.#line = [];
    this.#lineBytes = 0;
    if (text.trim() !== '' && this.#mayLog(bytes)) this.#logLine(text);
  }

  #mayLog(bytes: number): boolean {
    const now = this.#nowMs();
    if (now - this.#windowStartMs >= 1000) {
      this.#reportDropped();
      this.#windowStartMs = now;
      this.#windowBytes = 0;
    }
    this.#windowBytes += bytes + 1;
    if (this.#windowBytes <= loggedBytesPerSecond) return true;
    this.#droppedBytes += bytes + 1;
    return false;
  }

  #reportDropped(): void {
    if (this.#droppedBytes > 0) this.#log.warn({ droppedBytes: this.#droppedBytes }, 'core wrote too much to stderr');
    this.#droppedBytes = 0;
  }

  #logLine(text: string): void {
    const line = parseLine(text);
    if (line === null) this.#log.warn({ text }, 'core wrote to stderr');
    else this.#log[line.level]({ core: { message: line.message, ...line.fields } }, 'core line');
  }
}

interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: object;
}

const levels = new Map<unknown, LogLine['level']>([
  ['trace', 'debug'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['error', 'error'],
]);

/** A line of the core's logger, or null for anything else: a panic, or a library that prints. */
function parseLine(text: string): LogLine | null {
  if (!text.startsWith('{')) return null;
  try {
    const { level, message, ...fields } = JSON.parse(text) as Record<string, unknown>;
    const known = levels.get(typeof level === 'string' ? level.toLowerCase() : level);
    return known === undefined || typeof message !== 'string' ? null : { level: known, message, fields };
  } catch {
    return null;
  }
}
