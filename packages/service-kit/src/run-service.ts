/** One process, one role: start what it consists of in order, wait for a reason to end, stop in reverse within the deadline. */
import { type EndReason, watchForEnd } from './end-signal.ts';
import { type Service, startAll, stopAll } from './lifecycle.ts';
import type { Log } from './logger.ts';

export interface RunOptions {
  readonly log: Log;
  /** For all services together. Less when the process lost its parent. */
  readonly stopWithinMs: number;
  readonly parentPid: number | null;
  /** Defaults to false: a service in a terminal is not ended by its stdin. */
  readonly watchStdin?: boolean;
  /** What must end the process from inside, such as an unsafe journal. */
  readonly failure?: Promise<never>;
  /** Called at a second SIGTERM or SIGINT: what is being waited for is given up now. */
  readonly hurry?: () => void;
}

/** Whoever started us is gone: there is nobody to hand work back to, and Redis may have gone with it. */
const orphanStopMs = 1_500;

type End = EndReason | { readonly failure: unknown };

/** The exit code: 0 after a clean stop for a reason from outside, 1 when a service failed or did not stop in time. */
export async function runService(services: readonly Service[], options: RunOptions): Promise<number> {
  const { log } = options;
  const watch = watchForEnd({ parentPid: options.parentPid, watchStdin: options.watchStdin ?? false });
  // Looked at from the first moment, for a failure that nobody looks at would end the process without stopping anything.
  const end: Promise<End> = Promise.race([watch.reason, failureOf(options.failure)]);
  void watch.again.then(() => {
    log.info({}, 'service stopping at once');
    options.hurry?.();
  });
  try {
    const starting = startAll(services, log, options.stopWithinMs).then(() => 'started' as const);
    starting.catch(() => {});
    const first = await Promise.race([starting, end]);
    if (first === 'started') log.info({ services: services.map((one) => one.name) }, 'service started');
    return await stopFor(first === 'started' ? await end : first, services, options);
  } catch (err) {
    log.error({ err }, 'service failed to start');
    return 1;
  } finally {
    watch.close();
  }
}

async function failureOf(failure: Promise<never> | undefined): Promise<End> {
  if (!failure) return new Promise(() => {});
  return failure.catch((thrown: unknown) => ({ failure: thrown }));
}

async function stopFor(end: End, services: readonly Service[], options: RunOptions): Promise<number> {
  const { log } = options;
  if (typeof end === 'string') log.info({ reason: end }, 'service stopping');
  else log.error({ err: end.failure }, 'service failed');
  const isOrphan = end === 'parent gone' || end === 'stdin closed';
  const clean = await stopAll(services, log, isOrphan ? Math.min(orphanStopMs, options.stopWithinMs) : options.stopWithinMs);
  log.info({ clean }, 'service stopped');
  return clean && typeof end === 'string' ? 0 : 1;
}
