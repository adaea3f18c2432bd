/** Services start in order and stop in reverse. `stop` may come before `start`, twice, or while `start` is under way. */
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { Log } from './logger.ts';

export interface Service {
  readonly name: string;
  start(): Promise<void>;
  /** Fully stopped when it resolves. */
  stop(): Promise<void>;
}

/** A service from two functions; each runs once, and stopping before starting means never starting. */
export function service(name: string, start: () => Promise<void>, stop: () => Promise<void>): Service {
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  return {
    name,
    start: () => {
      if (stopping) return Promise.resolve();
      starting ??= start();
      return starting;
    },
    stop: () => {
      // What failed to start may have begun, so it is stopped all the same.
      stopping ??= starting ? starting.catch(() => {}).then(stop) : Promise.resolve();
      return stopping;
    },
  };
}

/** Starts one after the other. If one fails, those before it are stopped again and the failure is thrown. */
export async function startAll(services: readonly Service[], log: Log, stopWithinMs: number, clock: Clock = systemClock): Promise<void> {
  const started: Service[] = [];
  for (const one of services) {
    started.push(one);
    try {
      await one.start();
    } catch (error) {
      await stopAll(started, log, stopWithinMs, clock);
      throw error;
    }
  }
}

/** Stops in reverse order within one deadline for all. True if all stopped in time and without an error; those behind a failing one still stop. */
export async function stopAll(services: readonly Service[], log: Log, withinMs: number, clock: Clock = systemClock): Promise<boolean> {
  const endsAt = clock.monotonicMs() + withinMs;
  let clean = true;
  for (const one of [...services].reverse()) {
    const leftMs = Math.max(endsAt - clock.monotonicMs(), 0);
    const end = await within(one.stop(), leftMs, clock).catch((err: unknown) => {
      log.error({ err, stopped: one.name }, 'service failed to stop');
      return 'failed' as const;
    });
    if (end === 'late') log.error({ stopped: one.name, withinMs }, 'service did not stop in time');
    clean &&= end === 'done';
  }
  return clean;
}

async function within(promise: Promise<void>, ms: number, clock: Clock): Promise<'done' | 'late'> {
  let cancel = (): void => {};
  const late = new Promise<'late'>((resolve) => {
    cancel = clock.after(ms, () => resolve('late'));
  });
  try {
    return await Promise.race([promise.then(() => 'done' as const), late]);
  } finally {
    cancel();
  }
}
