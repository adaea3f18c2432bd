/** The numbers of a scheduler, by what happened. Gauges about the whole installation are told by the one that leads and are 0 at all others. */
import {
  type AttemptFailureClass,
  attemptClasses,
  attemptCodes,
  type Band,
  bandOrder,
  type FailureCode,
  type ItemCounts,
  isClassOf,
  maxJobNameLabels,
  type OperationState,
  type TaskKindLabel,
  type TerminalJobState,
  taskKinds,
  terminalJobStates,
} from '@millrace/protocol';
import { dependencyMetrics, type Gauge, type LabelSets, type ProcessMetrics } from '@millrace/service-kit';

const queues = ['intake', 'plan', 'chunk', 'finish'] as const;
const openStates = ['accepted', 'planning', 'running', 'paused', 'finishing'] as const;
const chunkStates = ['pending', 'queued', 'running', 'retrying', 'dead'] as const;
const groupStates = ['open', 'ignored', 'regressed'] as const;
const liveOperations = ['pending', 'running', 'paused'] as const satisfies readonly OperationState[];
const loops = ['retry', 'advance', 'dispatch', 'scaling', 'sweep', 'cron', 'callback', 'redrive', 'gauge'] as const;
const sweeps = ['lost_task', 'unmarked_receipt', 'stalled_attempt', 'dying_chunk', 'late_record', 'open_marker', 'untold_command'] as const;
const circuits = ['journal', 'store'] as const;
const budgetCodes = attemptCodes.filter((code) => code.startsWith('BUDGET_'));
const itemResults = ['requeued', 'skipped', 'resolved', 'failed_again'] as const;

export type QueueLabel = (typeof queues)[number];
export type OpenState = (typeof openStates)[number];
export type ChunkStateLabel = (typeof chunkStates)[number];
export type Loop = (typeof loops)[number];
export type Sweep = (typeof sweeps)[number];
export type RebuildReason = 'loss' | 'rollback';

/** What a look at one kind of queue found. Instants in milliseconds since 1970. */
export interface QueueSeen {
  readonly queue: QueueLabel;
  readonly waiting: number;
  readonly active: number;
  readonly oldestEnqueuedMs: number | null;
  readonly consumers: number;
  readonly isPaused: boolean;
}

/** What the scaling rule came to. */
export interface ScalingSeen {
  readonly podsWanted: number;
  readonly podsReady: number;
  readonly bands: readonly { readonly band: Band; readonly workSeconds: number; readonly bytes: number }[];
  readonly notCounted: { readonly noHostForVersion: number };
}

export type SchedulerMetrics = ReturnType<typeof schedulerMetrics>;

/** Labels whose names come from outside, for the constructor of the registry. */
export const schedulerFolding = ['job_name'] as const;

const leaderOnly = (help: string): string => `${help} (leader only: take max, not sum).`;
const instant = (ms: number | null): number => (ms === null ? 0 : ms / 1_000);

export function schedulerMetrics({ metrics, recordBuild, recordClockOffset }: ProcessMetrics, pool: string) {
  const pools = [pool] as const;
  const jobNames = metrics.openNames('job_name', maxJobNameLabels);
  const gauges: Gauge<LabelSets>[] = [];
  const leaderGauge: typeof metrics.gauge = (spec) => {
    const gauge = metrics.gauge({ ...spec, help: leaderOnly(spec.help) });
    gauges.push(gauge as unknown as Gauge<LabelSets>);
    return gauge;
  };

  const submitted = metrics.counter({
    name: 'millrace_jobs_submitted_total',
    help: 'Jobs that intake decided on.',
    labels: { result: ['accepted', 'replayed', 'conflict', 'refused'] },
  });
  const finished = metrics.counter({
    name: 'millrace_jobs_finished_total',
    help: 'Generations that ended.',
    labels: { job_name: jobNames, state: terminalJobStates },
  });
  const jobs = leaderGauge({ name: 'millrace_jobs', help: 'Jobs that have not ended', labels: { state: openStates } });
  const jobDuration = metrics.histogram({
    name: 'millrace_job_duration_seconds',
    help: 'From the acceptance or redrive of a generation to its end, without the time it stood paused, in seconds.',
    labels: { job_name: jobNames, state: terminalJobStates },
    buckets: 'long',
  });
  const chunks = leaderGauge({
    name: 'millrace_chunks',
    help: 'Chunks of open jobs; of paused jobs all that do not run count as pending',
    labels: { state: chunkStates },
  });
  const queueTasks = leaderGauge({
    name: 'millrace_queue_tasks',
    help: 'Tasks that wait or run',
    labels: { queue: queues, pool: pools, state: ['waiting', 'active'] },
  });
  const oldestEnqueued = leaderGauge({
    name: 'millrace_queue_oldest_enqueued_timestamp_seconds',
    help: 'When the task that waits longest was enqueued, 0 if none waits',
    labels: { queue: queues, pool: pools },
  });
  const consumers = leaderGauge({
    name: 'millrace_queue_consumers',
    help: 'Live hosts that take from the queue and do not drain; of intake, schedulers known to take from it',
    labels: { queue: queues, pool: pools },
  });
  const queuePaused = leaderGauge({ name: 'millrace_queue_paused', help: '1 if the queue is paused', labels: { queue: queues, pool: pools } });
  const unowned = leaderGauge({
    name: 'millrace_unowned_oldest_timestamp_seconds',
    help: 'Since when the oldest chunk that the last sweep found without queue entry had none, 0 if there was none',
  });
  const windowTasks = leaderGauge({ name: 'millrace_dispatch_window_tasks', help: 'Chunk tasks that wait or run', labels: { pool: pools } });
  const windowLimit = leaderGauge({ name: 'millrace_dispatch_window_limit', help: 'Chunk tasks that may wait or run at once', labels: { pool: pools } });
  const retries = metrics.counter({
    name: 'millrace_retries_total',
    help: 'Retries decided, by the class of the failure before.',
    labels: { task_kind: taskKinds, class: attemptClasses },
  });
  const deadLetters = leaderGauge({
    name: 'millrace_dead_letters',
    help: 'Open dead letters',
    labels: { class: attemptClasses },
  });
  const deadLettersWritten = metrics.counter({
    name: 'millrace_dead_letters_total',
    help: 'Dead letters written; every series stands from the start, for an alert looks for the first one.',
    labels: { class: attemptClasses, code: attemptCodes },
    occurs: (labels) => isClassOf(labels.class, labels.code),
  });
  const oldestLetter = leaderGauge({
    name: 'millrace_dead_letter_oldest_timestamp_seconds',
    help: 'When the oldest open dead letter was written, 0 if there is none',
  });
  const errorGroups = leaderGauge({ name: 'millrace_error_groups', help: 'Error groups by what people decided about them', labels: { state: groupStates } });
  const newGroups = metrics.counter({
    name: 'millrace_error_groups_new_total',
    help: 'Fingerprints that appeared while this scheduler led.',
  });
  const redriveItems = metrics.counter({
    name: 'millrace_redrive_items_total',
    help: 'Items of redrive operations by what became of them.',
    labels: { result: itemResults },
  });
  const operations = leaderGauge({ name: 'millrace_operations', help: 'Operations that have not ended', labels: { state: liveOperations } });
  const budgetExceeded = metrics.counter({
    name: 'millrace_budget_exceeded_total',
    help: 'Generations that a budget ended.',
    labels: { code: budgetCodes },
  });
  const podsWanted = leaderGauge({ name: 'millrace_scaling_pods_wanted', help: 'Worker hosts that the scaling rule asks for', labels: { pool: pools } });
  const podsReady = leaderGauge({ name: 'millrace_scaling_pods_ready', help: 'Live worker hosts that do not drain', labels: { pool: pools } });
  const backlogSeconds = leaderGauge({
    name: 'millrace_scaling_backlog_seconds',
    help: 'Work that nobody has claimed, in slot-seconds',
    labels: { pool: pools, band: bandOrder },
  });
  const backlogBytes = leaderGauge({
    name: 'millrace_scaling_backlog_bytes',
    help: 'Stored bytes of work that nobody has claimed',
    labels: { pool: pools, band: bandOrder },
  });
  const withoutHost = leaderGauge({
    name: 'millrace_scaling_chunks_without_host',
    help: 'Chunks pinned to a result version that no pool runs',
  });
  const leader = metrics.gauge({ name: 'millrace_scheduler_leader', help: '1 if this process leads; the sum should be 1.' });
  const lastSuccess = leaderGauge({
    name: 'millrace_loop_last_success_timestamp_seconds',
    help: 'When the last complete pass ended, 0 if none has',
    labels: { loop: loops },
  });
  const loopDuration = metrics.histogram({
    name: 'millrace_loop_duration_seconds',
    help: 'Length of complete passes of a loop, in seconds.',
    labels: { loop: loops },
    buckets: 'call',
  });
  const repairs = metrics.counter({ name: 'millrace_sweep_repairs_total', help: 'Things that sweeps found and repaired.', labels: { sweep: sweeps } });
  const rebuilding = leaderGauge({ name: 'millrace_ledger_rebuilding', help: '1 while the ledger is rebuilt from the journal' });
  const rebuildDuration = metrics.histogram({
    name: 'millrace_ledger_rebuild_duration_seconds',
    help: 'How long rebuilds of the ledger took, in seconds.',
    labels: { reason: ['loss', 'rollback'] },
    buckets: 'long',
  });
  const circuitOpen = leaderGauge({
    name: 'millrace_circuit_open',
    help: '1 while dispatch is slowed because of a store: that of the journal, or any other',
    labels: { dependency: circuits },
  });
  const fires = metrics.counter({
    name: 'millrace_schedule_fires_total',
    help: 'Fires of schedules by what came of them.',
    labels: { result: ['submitted', 'skipped', 'queued', 'missed', 'refused'] },
  });
  const deliveries = metrics.counter({
    name: 'millrace_callback_deliveries_total',
    help: 'Attempts to deliver a callback.',
    labels: { result: ['delivered', 'retried', 'gave_up'] },
  });
  const redisUsed = leaderGauge({ name: 'millrace_redis_memory_used_bytes', help: 'Memory that Redis uses, in bytes' });
  const redisLimit = leaderGauge({ name: 'millrace_redis_memory_limit_bytes', help: 'Memory that Redis may use, in bytes, 0 if it has no limit' });
  const recordCall = dependencyMetrics(metrics, { redis: ['command'], journal: ['read', 'write', 'list', 'delete'], input: ['read', 'list'] });

  const auditFailures = metrics.counter({
    name: 'millrace_audit_failures_total',
    help: 'Acts not done because their audit record could not be written.',
  });

  return {
    recordAuditFailure: (): void => auditFailures.add({}),
    recordBuild,
    recordClockOffset,
    recordCall,

    recordSubmitted: (result: 'accepted' | 'replayed' | 'conflict' | 'refused'): void => submitted.add({ result }),
    /** From here on the job's series stand with 0. */
    knowJob: (name: string): void => void jobNames.know(name),
    /** `activeMs`: how long the generation was at work. */
    recordFinished(jobName: string, state: TerminalJobState, activeMs: number, code: string | null): void {
      const job_name = jobNames.know(jobName);
      finished.add({ job_name, state });
      jobDuration.observe({ job_name, state }, activeMs / 1_000);
      if (code?.startsWith('BUDGET_')) budgetExceeded.add({ code: code as FailureCode });
    },
    recordOpenJobs(counts: ReadonlyMap<OpenState, number>, chunkCounts: ReadonlyMap<ChunkStateLabel, number>): void {
      for (const state of openStates) jobs.set({ state }, counts.get(state) ?? 0);
      for (const state of chunkStates) chunks.set({ state }, chunkCounts.get(state) ?? 0);
    },
    recordWindow(tasks: number, limit: number): void {
      windowTasks.set({ pool }, tasks);
      windowLimit.set({ pool }, limit);
    },
    recordQueue({ queue, waiting, active, oldestEnqueuedMs, consumers: takers, isPaused }: QueueSeen): void {
      queueTasks.set({ queue, pool, state: 'waiting' }, waiting);
      queueTasks.set({ queue, pool, state: 'active' }, active);
      oldestEnqueued.set({ queue, pool }, instant(oldestEnqueuedMs));
      consumers.set({ queue, pool }, takers);
      queuePaused.set({ queue, pool }, isPaused ? 1 : 0);
    },
    /** Null: the last sweep found none. */
    recordUnowned: (sinceMs: number | null): void => unowned.set({}, instant(sinceMs)),
    recordRetry: (taskKind: TaskKindLabel, failureClass: AttemptFailureClass): void => retries.add({ task_kind: taskKind, class: failureClass }),
    recordDeadLetter: (failureClass: string, code: string): void =>
      deadLettersWritten.add({ class: failureClass as AttemptFailureClass, code: code as FailureCode }),
    recordOpenLetters(byClass: ReadonlyMap<string, number>, oldestMs: number | null): void {
      for (const one of attemptClasses) deadLetters.set({ class: one }, byClass.get(one) ?? 0);
      oldestLetter.set({}, instant(oldestMs));
    },
    recordErrorGroups(byState: ReadonlyMap<string, number>, appeared: number): void {
      for (const state of groupStates) errorGroups.set({ state }, byState.get(state) ?? 0);
      newGroups.add({}, appeared);
    },
    recordScaling(decided: ScalingSeen): void {
      podsWanted.set({ pool }, decided.podsWanted);
      podsReady.set({ pool }, decided.podsReady);
      withoutHost.set({}, decided.notCounted.noHostForVersion);
      for (const { band, workSeconds, bytes } of decided.bands) {
        backlogSeconds.set({ pool, band }, workSeconds);
        backlogBytes.set({ pool, band }, bytes);
      }
    },
    /** What an operation came to since it was last looked at. */
    recordItems(before: ItemCounts, now: ItemCounts): void {
      const more = {
        requeued: now.released - before.released,
        skipped: now.skipped - before.skipped,
        resolved: now.resolved - before.resolved,
        failed_again: now.failedAgain - before.failedAgain,
      };
      for (const result of itemResults) if (more[result] > 0) redriveItems.add({ result }, more[result]);
    },
    recordOperations(byState: ReadonlyMap<string, number>): void {
      for (const state of liveOperations) operations.set({ state }, byState.get(state) ?? 0);
    },
    /** Whoever does not lead any more takes back what only a leader may say. */
    recordLead(isLeader: boolean): void {
      leader.set({}, isLeader ? 1 : 0);
      if (!isLeader) for (const gauge of gauges) gauge.reset();
    },
    recordPass(loop: Loop, endedMs: number, seconds: number): void {
      lastSuccess.set({ loop }, instant(endedMs));
      loopDuration.observe({ loop }, seconds);
    },
    recordRepair: (sweep: Sweep): void => repairs.add({ sweep }),
    recordRebuilding: (isUnderWay: boolean): void => rebuilding.set({}, isUnderWay ? 1 : 0),
    recordRebuilt: (reason: RebuildReason, seconds: number): void => rebuildDuration.observe({ reason }, seconds),
    recordCircuits(open: { readonly journal: boolean; readonly store: boolean }): void {
      for (const dependency of circuits) circuitOpen.set({ dependency }, open[dependency] ? 1 : 0);
    },
    recordFire: (result: 'submitted' | 'skipped' | 'queued' | 'missed' | 'refused'): void => fires.add({ result }),
    recordDelivery: (result: 'delivered' | 'retried' | 'gave_up'): void => deliveries.add({ result }),
    recordRedisMemory({ used, limit }: { readonly used: number; readonly limit: number }): void {
      redisUsed.set({}, used);
      redisLimit.set({}, limit);
    },
  };
}
