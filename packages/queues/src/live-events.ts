/** News for watchers: the status of each job as last written, and its last 1,000 events. Live views only; the truth is in the journal. */
import type { JobEvent, JobId, JobStatus } from '@millrace/protocol';
import { isTerminalJobState } from '@millrace/protocol';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { Nudge } from './requests.ts';
import type { Subscriber } from './subscriber.ts';

const keepSeconds = 86_400;
const eventsOfOneJob = 1_000;
const eventsOfAllJobs = 10_000;
const lookEveryMs = 250;
const nudgeEveryMs = 10;

/** An event before Redis has given it its id. */
export type NewJobEvent = JobEvent extends infer Event ? (Event extends JobEvent ? Omit<Event, 'id'> : never) : never;

/** An event of some job, and whose job that is. */
export interface TenantEvent {
  readonly tenant: string;
  readonly jobId: JobId;
  readonly event: JobEvent;
}

export interface WatchOptions {
  /** Resume behind this event; history that is gone is skipped. Defaults to now. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

export class LiveEvents {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #subscriber: Subscriber;
  readonly #owed = new Set<JobId>();
  #quiet: NodeJS.Timeout | null = null;

  constructor(parts: { redis: RedisClient; keys: Keys; subscriber: Subscriber }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
    this.#subscriber = parts.subscriber;
  }

  /** The status as last written, at most about a second old while a scheduler leads; null when Redis holds none. */
  async status(tenant: string, jobId: JobId): Promise<JobStatus | null> {
    const text = await this.#redis.get(this.#keys.status(tenant, jobId));
    return text === null ? null : (JSON.parse(text) as JobStatus);
  }

  async writeStatus(tenant: string, status: JobStatus): Promise<void> {
    await this.#redis.set(this.#keys.status(tenant, status.jobId), JSON.stringify(status), 'EX', keepSeconds);
  }

  /** Answers the event's id. */
  async publish(tenant: string, jobId: JobId, event: NewJobEvent): Promise<string> {
    const key = this.#keys.events(tenant, jobId);
    const text = JSON.stringify(event);
    const id = await this.#redis.xadd(key, 'MAXLEN', '~', eventsOfOneJob, '*', 'e', text);
    await this.#redis.expire(key, keepSeconds);
    await this.#redis.xadd(this.#keys.allEvents, 'MAXLEN', '~', eventsOfAllJobs, '*', 'j', jobId, 'e', text, 't', tenant);
    await this.#redis.publish(key, '');
    return id ?? '';
  }

  /** Events as they come; ends after a terminal state. */
  async *watch(tenant: string, jobId: JobId, options: WatchOptions = {}): AsyncGenerator<JobEvent, void, undefined> {
    const key = this.#keys.events(tenant, jobId);
    const nudge = new Nudge();
    const wake = (): void => nudge.ring();
    const stop = await this.#subscriber.listen(key, wake);
    options.signal?.addEventListener('abort', wake);
    try {
      let after = options.after ?? (await this.lastId(tenant, jobId));
      while (!options.signal?.aborted) {
        const entries = await this.#redis.xrange(key, `(${after}`, '+', 'COUNT', 100);
        for (const [id, fields] of entries) {
          after = id;
          const event = { ...(JSON.parse(fields[1] ?? '{}') as NewJobEvent), id } as JobEvent;
          yield event;
          if (event.type === 'state' && isTerminalJobState(event.status.state)) return;
        }
        if (entries.length === 0) await nudge.wait(lookEveryMs);
      }
    } finally {
      options.signal?.removeEventListener('abort', wake);
      stop();
    }
  }

  /**
   * Jobs of which something was told since, as far as the stream of all jobs goes back. `missed`: it does not go back that far, so any job may have changed.
   * Without `since`: from now on.
   */
  async jobsChanged(since: string | null): Promise<{ readonly jobIds: ReadonlySet<JobId>; readonly last: string; readonly missed: boolean }> {
    const [newest] = await this.#redis.xrevrange(this.#keys.allEvents, '+', '-', 'COUNT', 1);
    const last = newest?.[0] ?? '0-0';
    if (since === null || (last === '0-0' && since !== '0-0')) return { jobIds: new Set(), last, missed: true };
    const [oldest] = await this.#redis.xrange(this.#keys.allEvents, '-', '+', 'COUNT', 1);
    const missed = oldest !== undefined && isLater(oldest[0], since) && since !== '0-0';
    const jobIds = new Set<JobId>();
    for (let after = since; !missed && isLater(last, after); ) {
      const entries = await this.#redis.xrange(this.#keys.allEvents, `(${after}`, last, 'COUNT', 1_000);
      for (const [, fields] of entries) jobIds.add(fields[1] as JobId);
      const end = entries.at(-1);
      if (end === undefined) break;
      after = end[0];
    }
    return { jobIds, last, missed };
  }

  /** Where the events of all jobs end now. */
  async lastIdOfAll(): Promise<string> {
    const [last] = await this.#redis.xrevrange(this.#keys.allEvents, '+', '-', 'COUNT', 1);
    return last?.[0] ?? '0-0';
  }

  /** Events of all jobs behind this one, at most so many, oldest first. What the stream no longer holds is passed over. */
  async eventsOfAll(after: string, limit: number): Promise<readonly TenantEvent[]> {
    const entries = await this.#redis.xrange(this.#keys.allEvents, `(${after}`, '+', 'COUNT', limit);
    return entries.flatMap(([id, fields]) => {
      const [jobId, text, tenant] = [fieldOf(fields, 'j'), fieldOf(fields, 'e'), fieldOf(fields, 't')];
      if (jobId === null || text === null || tenant === null) return [];
      return [{ tenant, jobId: jobId as JobId, event: { ...(JSON.parse(text) as NewJobEvent), id } as JobEvent }];
    });
  }

  /** The last events of a job that Redis still holds, newest first. */
  async recent(tenant: string, jobId: JobId): Promise<JobEvent[]> {
    const entries = await this.#redis.xrevrange(this.#keys.events(tenant, jobId), '+', '-', 'COUNT', eventsOfOneJob);
    return entries.map(([id, fields]) => ({ ...(JSON.parse(fields[1] ?? '{}') as NewJobEvent), id }) as JobEvent);
  }

  /**
   * Tells the leading scheduler to look at a job now: an attempt ended, a segment came, work was done. May be lost. Of many within the pause that a leader
   * makes between two rounds, only the first and the last are sent: it would not hear the others.
   */
  async nudgeLeader(jobId: JobId): Promise<void> {
    if (this.#quiet !== null) {
      this.#owed.add(jobId);
      return;
    }
    this.#quiet = setTimeout(() => this.#payNudges(), nudgeEveryMs);
    this.#quiet.unref();
    await this.#redis.publish(this.#keys.nudges, jobId);
  }

  #payNudges(): void {
    this.#quiet = null;
    const owed = [...this.#owed];
    this.#owed.clear();
    // Nobody waits for these: a leader that does not hear of them looks at its next tick.
    for (const jobId of owed) void this.#redis.publish(this.#keys.nudges, jobId).catch(() => undefined);
    if (owed.length === 0) return;
    this.#quiet = setTimeout(() => this.#payNudges(), nudgeEveryMs);
    this.#quiet.unref();
  }

  async onNudge(listener: (jobId: JobId) => void): Promise<() => void> {
    return this.#subscriber.listen(this.#keys.nudges, (message) => listener(message as JobId));
  }

  /** Where events of this job end now: what to give as `after`. */
  async lastId(tenant: string, jobId: JobId): Promise<string> {
    const key = this.#keys.events(tenant, jobId);
    const [last] = await this.#redis.xrevrange(key, '+', '-', 'COUNT', 1);
    return last?.[0] ?? '0-0';
  }
}

/** Whether an id of a stream, `<milliseconds>-<number>`, lies behind another. */
function isLater(one: string, other: string): boolean {
  const [[a = 0, b = 0], [c = 0, d = 0]] = [one, other].map((id) => id.split('-').map(Number)) as [number[], number[]];
  return a > c || (a === c && b > d);
}

function fieldOf(fields: readonly string[], name: string): string | null {
  const at = fields.findIndex((field, index) => index % 2 === 0 && field === name);
  return at < 0 ? null : (fields[at + 1] ?? null);
}
