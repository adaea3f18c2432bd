/** A core that is no more, with what is known about its end. Every request that was open fails with this; whether it committed, the journal knows. */

/** Why we killed it, if we did. */
export type KillReason = 'start' | 'violation' | 'deadline' | 'cancel' | 'stop' | 'fence' | 'silence';

export type CoreGoneCode = 'CORE_START' | 'CORE_VERSION' | 'PROTOCOL_VIOLATION' | 'CORE_CRASH' | 'CORE_TIME_LIMIT' | 'CORE_HUNG' | 'CORE_MEMORY';

export interface CoreEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Null when it ended by itself. */
  readonly killedFor: KillReason | null;
  /** The last bytes of stderr as text, at most 64 KiB. Not redacted: that is for whoever stores it. */
  readonly stderrTail: string;
}

export class CoreGoneError extends Error implements CoreEnd {
  override readonly name = 'CoreGoneError';
  readonly code: CoreGoneCode;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly killedFor: KillReason | null;
  readonly stderrTail: string;

  constructor(code: CoreGoneCode, message: string, end: CoreEnd, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.exitCode = end.exitCode;
    this.signal = end.signal;
    this.killedFor = end.killedFor;
    this.stderrTail = end.stderrTail;
  }
}

/** Codes of the reasons for which we kill. A cancelled core that does not answer is no longer asked why. */
const killCodes: Readonly<Record<KillReason, CoreGoneCode>> = {
  start: 'CORE_START',
  violation: 'PROTOCOL_VIOLATION',
  deadline: 'CORE_TIME_LIMIT',
  cancel: 'CORE_HUNG',
  stop: 'CORE_CRASH',
  fence: 'CORE_CRASH',
  silence: 'CORE_HUNG',
};

/** Names an end. A SIGKILL that was not ours is the kernel's answer to too much memory, and so is the allocator's last line on stderr. */
export function classifyEnd(end: CoreEnd, hasGreeted: boolean): CoreGoneCode {
  if (end.killedFor !== null) return killCodes[end.killedFor];
  if (end.exitCode === 64) return 'CORE_VERSION';
  if (end.exitCode === 65) return 'PROTOCOL_VIOLATION';
  if (!hasGreeted) return 'CORE_START';
  const outOfMemory = end.signal === 'SIGKILL' || (end.signal === 'SIGABRT' && /memory allocation of \d+ bytes failed/.test(end.stderrTail));
  return outOfMemory ? 'CORE_MEMORY' : 'CORE_CRASH';
}

export function describeEnd(end: CoreEnd): string {
  const how = end.signal === null ? `with exit code ${end.exitCode}` : `by ${end.signal}`;
  return end.killedFor === null ? `the core ended ${how}` : `the core was killed (${end.killedFor}) and ended ${how}`;
}
