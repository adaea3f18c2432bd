/**
 * Follows a job: its status first, then events as they come, then nothing after the terminal state. Events are hints that may be lost (a scheduler
 * dies before it tells, Redis is restarted empty), so in silence the status is asked again: a watch does not outwait the job.
 */
import { isTerminalJobState, type JobEvent, type JobId, type JobStatus } from '@millrace/protocol';
import { ask, type Connection, type Duration, durationMs } from './connection.ts';
import { MillraceError } from './errors.ts';

export interface WatchOptions {
  /** Resume behind this event. */
  readonly after?: string;
  /** At most one progress event in this time; `1s` by default. */
  readonly throttle?: Duration;
  /** Events and ends of earlier generations are passed over: what to give after a redrive. The current one when not given. */
  readonly generation?: number;
  readonly signal?: AbortSignal;
}

/** After so long without an event the status is asked for. */
const SILENCE_MS = 5_000;

export async function* watchJob(connection: Connection, jobId: JobId, options: WatchOptions): AsyncGenerator<JobEvent, void, undefined> {
  const isWanted = throttled(durationMs(options.throttle ?? '1s'));
  const ends = new AbortController();
  const signals = [ends.signal, connection.closed.signal, ...(options.signal === undefined ? [] : [options.signal])];
  const signal = AbortSignal.any(signals);
  if (signal.aborted) return;
  try {
    // The place first, then the status: what happens in between comes as an event.
    let after = options.after ?? (await connection.queues.events.lastId(connection.tenant, jobId));
    const status = await currentStatus(connection, jobId, signal);
    const generation = options.generation ?? status.generation;
    if (status.generation >= generation) {
      yield stateEvent(status, after);
      if (isTerminalJobState(status.state)) return;
    }
    for (;;) {
      for await (const event of withoutSilence(connection, jobId, after, signal)) {
        after = event.id;
        // Events of an earlier generation, its end above all, say nothing about the one that is watched.
        if ('status' in event && event.status.generation < generation) continue;
        if (isWanted(event)) yield event;
        if (event.type === 'state' && isTerminalJobState(event.status.state)) return;
      }
      if (signal.aborted) return;
    }
  } catch (error) {
    // Whoever aborts wants the end of the stream, not an error.
    if (!signal.aborted) throw error;
  } finally {
    ends.abort();
  }
}

/** Events behind `after`; where none come for a while, the status as an event, if it tells of an end. Ends with the stream of events. */
async function* withoutSilence(connection: Connection, jobId: JobId, after: string, signal: AbortSignal): AsyncGenerator<JobEvent, void, undefined> {
  const ends = new AbortController();
  const events = connection.queues.events.watch(connection.tenant, jobId, { after, signal: AbortSignal.any([signal, ends.signal]) });
  let last = after;
  let next = events.next();
  try {
    for (;;) {
      const came = await within(next, SILENCE_MS);
      if (came === null) {
        const status = await currentStatus(connection, jobId, signal).catch(() => null);
        if (status !== null && isTerminalJobState(status.state)) yield stateEvent(status, last);
      } else if (came.done === true) {
        return;
      } else {
        last = came.value.id;
        yield came.value;
        next = events.next();
      }
    }
  } finally {
    ends.abort();
    await next.catch(() => undefined);
  }
}

/** Null when nothing came in time. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function currentStatus(connection: Connection, jobId: JobId, signal: AbortSignal): Promise<JobStatus> {
  const timedOut = () => new MillraceError('ANSWER_TIMEOUT', `cannot watch job ${jobId}: no scheduler answered in time`, { retryable: true });
  return (await ask(connection, { kind: 'status', jobId }, { signal }, timedOut)).status;
}

function stateEvent(status: JobStatus, id: string): JobEvent {
  return { id, at: new Date(performance.timeOrigin + performance.now()).toISOString(), type: 'state', status };
}

/** Passes everything but progress events that come too soon after another. */
function throttled(throttleMs: number): (event: JobEvent) => boolean {
  let lastProgressAt = Number.NEGATIVE_INFINITY;
  return (event) => {
    if (event.type !== 'progress') return true;
    const now = performance.now();
    if (now - lastProgressAt < throttleMs) return false;
    lastProgressAt = now;
    return true;
  };
}
