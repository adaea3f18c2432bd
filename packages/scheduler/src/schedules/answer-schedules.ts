/** What people ask of schedules: put, list, pause, resume, fire now, remove. */
import {
  type AnswerTo,
  maxScheduleRuns,
  type PutScheduleRequest,
  type Schedule,
  type SchedulesRequest,
  type ScheduleView,
  type SteerScheduleRequest,
  upcomingFires,
} from '@millrace/protocol';
import { callbackIssues, checkWritten } from '../check-spec.ts';
import type { Control } from '../control.ts';
import { refusal, specRefusal } from '../refusal.ts';
import { runOf } from './fire-schedules.ts';

const shownFires = 5;

export async function putSchedule(request: PutScheduleRequest, control: Control): Promise<AnswerTo<'putSchedule'>> {
  const { tenant, by, reason } = request;
  const checked = checkWritten(request.spec, tenant, control.connections);
  if ('issues' in checked) return specRefusal('put schedule', checked.issues);
  const { spec } = checked;
  const callbacks = await callbackIssues(spec, control);
  if (callbacks.length > 0) return specRefusal('put schedule', callbacks);
  if (spec.schedule === null) {
    const message = 'a schedule needs cron';
    return specRefusal('put schedule', [{ pointer: '/schedule', code: 'SPEC_MISSING_FIELD', message }]);
  }
  const at = control.clock.nowIso();
  const result = await control.journal.changeRegistered('schedules', registeredName(tenant, spec.name), (current) => {
    const before = current === null || current.removed ? null : current.body;
    // What was due before this change was asked of the older schedule, or of none.
    const body: Schedule = { tenant, name: spec.name, spec, paused: before?.paused ?? false, doneUntil: at, runs: before?.runs ?? [] };
    return { put: { at, by, reason, body } };
  });
  return answerOf('putSchedule', tenant, spec.name, result, control);
}

export async function steerSchedule(request: SteerScheduleRequest, control: Control): Promise<AnswerTo<'steerSchedule'>> {
  const { tenant, name, act, by, reason } = request;
  const at = control.clock.nowIso();
  const current = await control.journal.readRegistered('schedules', registeredName(tenant, name));
  if (current === null || current.removed) return refusal('NOT_FOUND', `cannot find schedule ${name}`);
  // At this very instant, whatever its cron says; overlap counts all the same.
  const fired = act === 'fire' ? [await runOf(current.body, current.body.runs, Date.parse(at), control)] : [];
  const result = await control.journal.changeRegistered('schedules', registeredName(tenant, name), (standing) => {
    const body = standing?.body ?? current.body;
    switch (act) {
      case 'pause':
        return { put: { at, by, reason, body: { ...body, paused: true } } };
      case 'resume':
        // Fires of the time it stood paused are not caught up: that was the point of pausing it.
        return { put: { at, by, reason, body: { ...body, paused: false, doneUntil: at } } };
      case 'remove':
        return { put: { at, by, reason, body, removed: true } };
      case 'fire':
        return { put: { at, by, reason, body: { ...body, runs: [...fired, ...body.runs].slice(0, maxScheduleRuns) } } };
      default:
        return act satisfies never;
    }
  });
  return answerOf('steerSchedule', tenant, name, result, control);
}

export async function answerSchedules(request: SchedulesRequest, control: Control): Promise<AnswerTo<'schedules'>> {
  const schedules: ScheduleView[] = [];
  for await (const name of control.journal.listRegistered('schedules')) {
    if (!name.startsWith(`${request.tenant}.`)) continue;
    const found = await control.journal.readRegistered('schedules', name);
    if (found !== null && !found.removed) schedules.push(viewOf(found.body, found.number, control));
  }
  return { ok: true, kind: 'schedules', schedules };
}

const registeredName = (tenant: string, name: string): string => `${tenant}.${name}`;

async function answerOf<Kind extends 'putSchedule' | 'steerSchedule'>(
  kind: Kind,
  tenant: string,
  name: string,
  result: { readonly changed: { readonly body: Schedule; readonly number: number } } | { readonly refused: unknown },
  control: Control,
): Promise<AnswerTo<Kind>> {
  if (!('changed' in result)) return refusal('STATE_CONFLICT', `cannot change schedule ${name} of ${tenant}`) as AnswerTo<Kind>;
  return { ok: true, kind, schedule: viewOf(result.changed.body, result.changed.number, control) } as unknown as AnswerTo<Kind>;
}

function viewOf({ tenant, name, spec, paused, runs, doneUntil }: Schedule, version: number, control: Control): ScheduleView {
  const asked = spec.schedule;
  const next = upcomingFires({ spec, paused, doneUntil }, control.clock.nowMs(), shownFires);
  return { tenant, name, version, cron: asked?.cron ?? '', timezone: asked?.timezone ?? 'UTC', paused: paused || asked?.paused === true, next, runs };
}
