/**
 * Fires what is due: submit first, under the key of schedule and instant, then the document says that it was dealt with. A leader that dies in between, and a
 * second one, submit the same key and get the same job.
 */
import {
  dueFires,
  fireKey,
  type JobId,
  jobIdFromKey,
  maxScheduleRuns,
  newRequestId,
  type Schedule,
  type ScheduleRun,
  type SubmitRequest,
  specOfRun,
} from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import type { Control } from '../control.ts';
import { submitJob } from '../intake.ts';
import { refusalOf } from '../refusal.ts';

interface Known {
  readonly number: number;
  readonly schedule: Schedule;
}

export class ScheduleFirer {
  readonly #control: Control;
  #known = new Map<string, Known>();
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(control: Control) {
    this.#control = control;
  }

  /** Documents are read again every sweep, and at once by whoever was asked to change one. */
  async round(): Promise<void> {
    const { clock, times, log } = this.#control;
    if (clock.monotonicMs() - this.#readAtMs >= times.sweepMs) await this.#read();
    for (const [name, { schedule }] of this.#known) {
      if (dueFires(schedule, clock.nowMs()) === null && !isWaiting(schedule)) continue;
      try {
        await this.#fire(name);
      } catch (err) {
        log.warn({ err, schedule: name }, 'schedule not fired');
      }
    }
  }

  async #read(): Promise<void> {
    const { journal, clock } = this.#control;
    const known = new Map<string, Known>();
    for await (const name of journal.listRegistered('schedules')) {
      const before = this.#known.get(name);
      const found = await journal.readRegistered('schedules', name, before?.number ?? 1);
      if (found !== null && !found.removed) known.set(name, { number: found.number, schedule: found.body });
    }
    this.#known = known;
    this.#readAtMs = clock.monotonicMs();
  }

  async #fire(name: string): Promise<void> {
    const { journal } = this.#control;
    const current = await journal.readRegistered('schedules', name);
    if (current === null || current.removed) {
      this.#known.delete(name);
      return;
    }
    const next = await runSchedule(current.body, this.#control);
    if (next === null) {
      this.#known.set(name, { number: current.number, schedule: current.body });
      return;
    }
    const put = await journal.putRegistered('schedules', name, current.number + 1, {
      at: this.#control.clock.nowIso(),
      by: 'scheduler',
      reason: '',
      body: next,
    });
    if (put.outcome === 'won') for (const { outcome } of newRuns(current.body.runs, next.runs)) this.#control.metrics.recordFire(fireResults[outcome]);
    // Lost: somebody changed it meanwhile, and the next round goes by that.
    this.#known.set(name, { number: put.stored.number, schedule: put.stored.body });
  }
}

const fireResults = { fired: 'submitted', skipped: 'skipped', waiting: 'queued', missed: 'missed', failed: 'refused' } as const;

/** Runs whose outcome was not known before. */
function newRuns(before: readonly ScheduleRun[], now: readonly ScheduleRun[]): readonly ScheduleRun[] {
  const known = new Set(before.map(({ at, outcome }) => `${at} ${outcome}`));
  return now.filter(({ at, outcome }) => !known.has(`${at} ${outcome}`));
}

const isWaiting = ({ runs }: Schedule): boolean => runs[0]?.outcome === 'waiting';

/** The document after everything that is due now was dealt with; null when nothing was. */
export async function runSchedule(schedule: Schedule, control: Control): Promise<Schedule | null> {
  const due = dueFires(schedule, control.clock.nowMs());
  let runs = [...schedule.runs];
  const waiting = isWaiting(schedule) && !schedule.paused ? (runs[0] ?? null) : null;
  if (waiting !== null && !(await isRunning(runs.slice(1), control))) runs = [await submitRun(schedule, Date.parse(waiting.at), control), ...runs.slice(1)];
  else if (due === null) return null;
  if (due?.missed != null) runs.unshift(runAt(due.missed, 'missed'));
  for (const at of due?.fire ?? []) {
    const run = await runOf(schedule, runs, at, control);
    // One fire waits at most: a newer one takes its place.
    if (run.outcome === 'waiting' && runs[0]?.outcome === 'waiting') runs[0] = { ...runs[0], outcome: 'skipped' };
    runs.unshift(run);
  }
  const doneUntil = due === null ? schedule.doneUntil : new Date(due.doneUntil).toISOString();
  return { ...schedule, doneUntil, runs: runs.slice(0, maxScheduleRuns) };
}

/** What a fire at this instant comes to. */
export async function runOf(schedule: Schedule, runs: readonly ScheduleRun[], atMs: number, control: Control): Promise<ScheduleRun> {
  const overlap = schedule.spec.schedule?.overlap ?? 'skip';
  if (overlap !== 'allow' && (await isRunning(runs, control))) return runAt(atMs, overlap === 'queue' ? 'waiting' : 'skipped');
  return submitRun(schedule, atMs, control);
}

/** The newest job of this schedule has not ended. */
async function isRunning(runs: readonly ScheduleRun[], control: Control): Promise<boolean> {
  const jobId = runs.find((run) => run.jobId !== null)?.jobId ?? null;
  if (jobId === null) return false;
  const commands = await control.journal.readCommands(jobId);
  const generation = commands.reduce((newest, { opens }) => Math.max(newest, opens ?? 1), 1);
  return (await control.journal.readManifest(jobId, generation)) === null && (await control.journal.readJobRecord(jobId)) !== null;
}

async function submitRun(schedule: Schedule, atMs: number, control: Control): Promise<ScheduleRun> {
  const { tenant, name } = schedule;
  const idempotencyKey = fireKey(name, atMs);
  const jobId: JobId = jobIdFromKey(tenant, idempotencyKey);
  const request: SubmitRequest = {
    kind: 'submit',
    requestId: newRequestId(control.ids),
    tenant,
    by: `schedule:${name}`,
    jobId,
    idempotencyKey,
    spec: specOfRun(schedule.spec),
  };
  const answer = await submitJob(request, control).catch(refusalOf);
  // A conflict: this instant was fired under an older version of the schedule, and that job stands.
  if (answer.ok || answer.code === 'KEY_CONFLICT') {
    control.log.info({ schedule: name, tenant, jobId, at: new Date(atMs).toISOString() }, 'schedule fired');
    return { ...runAt(atMs, 'fired'), jobId };
  }
  // A store or Redis is away: the next round tries this instant again.
  if (answer.retryable) throw new AppError('BUSY', answer.message);
  control.log.error({ schedule: name, tenant, code: answer.code }, 'scheduled job not accepted');
  return { ...runAt(atMs, 'failed'), code: answer.code, message: answer.message };
}

function runAt(atMs: number, outcome: ScheduleRun['outcome']): ScheduleRun {
  return { at: new Date(atMs).toISOString(), outcome, jobId: null, code: null, message: null };
}
