/** Reasons for a process to end: a signal, its parent gone, its stdin closed. Nothing outlives the process that started it (I7). */
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';

export type EndReason = 'SIGTERM' | 'SIGINT' | 'parent gone' | 'stdin closed';

export interface EndSignalOptions {
  /** End when this process is no longer our parent; null watches nothing. */
  readonly parentPid: number | null;
  /** End when stdin ends: the kernel closes it when a parent dies, however that happened. */
  readonly watchStdin: boolean;
  readonly clock?: Clock;
}

export interface EndSignal {
  readonly reason: Promise<EndReason>;
  /** A second SIGTERM or SIGINT: whoever asked to end is in a hurry. */
  readonly again: Promise<void>;
  /** Takes the watchers away. A second SIGTERM or SIGINT after that ends the process at once. */
  close(): void;
}

const parentLookMs = 500;

export function watchForEnd(options: EndSignalOptions): EndSignal {
  const closers: (() => void)[] = [];
  const close = (): void => {
    for (const closer of closers.splice(0)) closer();
  };
  const again = Promise.withResolvers<void>();
  let signals = 0;
  const reason = new Promise<EndReason>((resolve) => {
    const onAny = (signal: EndReason): void => {
      signals += 1;
      if (signals === 1) resolve(signal);
      else again.resolve();
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) closers.push(onSignal(signal, onAny));
    if (options.watchStdin) closers.push(onStdinEnd(resolve));
    if (options.parentPid !== null) closers.push(onParentGone(options.parentPid, options.clock ?? systemClock, resolve));
  });
  return { reason, again: again.promise, close };
}

function onSignal(signal: 'SIGTERM' | 'SIGINT', end: (reason: EndReason) => void): () => void {
  const listener = (): void => end(signal);
  process.on(signal, listener);
  return () => process.off(signal, listener);
}

function onStdinEnd(end: (reason: EndReason) => void): () => void {
  const listener = (): void => end('stdin closed');
  process.stdin.once('end', listener).once('close', listener).once('error', listener).resume();
  return () => {
    process.stdin.off('end', listener).off('close', listener).off('error', listener).pause();
    process.stdin.unref?.();
  };
}

/** When a parent dies its children get another one, so asking who the parent is cannot be fooled by a reused pid. */
function onParentGone(parentPid: number, clock: Clock, end: (reason: EndReason) => void): () => void {
  let cancel = (): void => {};
  const look = (): void => {
    if (process.ppid !== parentPid && !isAlive(parentPid)) end('parent gone');
    else cancel = clock.after(parentLookMs, look);
  };
  look();
  return () => cancel();
}

/** The process named need not be the direct parent: a wrapper may stand between. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
