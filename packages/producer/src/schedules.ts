/** Recurring jobs as their owner sees them. A spec with a schedule is none of the jobs that it makes: it is put here and not submitted. */
import type { JobSpecInput, ScheduleView } from '@millrace/protocol';
import { ask, type CallOptions, type Connection } from './connection.ts';
import { MillraceError } from './errors.ts';
import { validate } from './submit.ts';

export interface Schedules {
  /** Makes or changes the schedule of the spec's name. What was due before is not made up for. */
  put(spec: JobSpecInput, reason?: string, options?: CallOptions): Promise<ScheduleView>;
  list(options?: CallOptions): Promise<readonly ScheduleView[]>;
  pause(name: string, reason: string, options?: CallOptions): Promise<ScheduleView>;
  /** Fires that were due while it stood paused are not made up for. */
  resume(name: string, options?: CallOptions): Promise<ScheduleView>;
  /** Now, whatever its cron says; `overlap` counts all the same. */
  fire(name: string, reason?: string, options?: CallOptions): Promise<ScheduleView>;
  remove(name: string, reason: string, options?: CallOptions): Promise<ScheduleView>;
}

const timedOut = (what: string) => () => new MillraceError('ANSWER_TIMEOUT', `cannot ${what}: no scheduler answered in time`, { retryable: true });

export function schedules(connection: Connection): Schedules {
  const steer = async (act: 'pause' | 'resume' | 'fire' | 'remove', name: string, reason: string, options: CallOptions = {}): Promise<ScheduleView> =>
    (await ask(connection, { kind: 'steerSchedule', name, act, reason }, options, timedOut(`${act} schedule ${name}`))).schedule;
  return {
    put: async (spec, reason = '', options = {}) =>
      (await ask(connection, { kind: 'putSchedule', spec: validate(spec), reason }, options, timedOut('put a schedule'))).schedule,
    list: async (options = {}) => (await ask(connection, { kind: 'schedules' }, options, timedOut('list schedules'))).schedules,
    pause: (name, reason, options) => steer('pause', name, reason, options),
    resume: (name, options) => steer('resume', name, '', options),
    fire: (name, reason = '', options = {}) => steer('fire', name, reason, options),
    remove: (name, reason, options) => steer('remove', name, reason, options),
  };
}
